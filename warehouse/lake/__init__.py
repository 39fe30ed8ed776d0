"""The lake (DuckLake on DuckDB): all measurements, append-only, and the marts derived from them."""
