-- grain: one table of the lake
-- params: none
SELECT schema_name AS schema, table_name AS name FROM duckdb_tables() WHERE database_name = 'lake' ORDER BY ALL
