"""Platform connectors: one package per platform, on httpx. They know no database, Prefect or FastAPI."""
