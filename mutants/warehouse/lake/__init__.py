"""The lake: every number ever measured, append-only, and the marts kept up from it (DuckLake on DuckDB)."""
