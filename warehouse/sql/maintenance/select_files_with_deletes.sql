-- grain: one table, with the names of its files to rewrite without their deleted rows
-- params: small = bytes; a smaller file is rewritten for one deleted row, a larger one when a twentieth is deleted
SELECT schemas.schema_name, tables.table_name, list(parse_filename(files.path)) AS names
FROM __ducklake_metadata_lake.ducklake_data_file AS files
JOIN __ducklake_metadata_lake.ducklake_delete_file AS holes
  ON holes.data_file_id = files.data_file_id AND holes.end_snapshot IS NULL
JOIN __ducklake_metadata_lake.ducklake_table AS tables
  ON tables.table_id = files.table_id AND tables.end_snapshot IS NULL
JOIN __ducklake_metadata_lake.ducklake_schema AS schemas USING (schema_id)
WHERE files.end_snapshot IS NULL
  AND (holes.delete_count > 0.05 * files.record_count OR files.file_size_bytes < $small::BIGINT)
GROUP BY ALL
