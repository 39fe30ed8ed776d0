"""Export tables and query results of the lake to files: CSV, JSON, Parquet, or one DuckDB file.

Imported by the command line and the API's export route.
"""
