"""The lake's tables and answers as files: CSV, JSON, Parquet, or one DuckDB file.

Imported by the command line and the API's export route.
"""
