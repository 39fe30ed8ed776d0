"""How a platform speaks: one module a platform, over httpx. Knows no database, no Prefect, no FastAPI."""
