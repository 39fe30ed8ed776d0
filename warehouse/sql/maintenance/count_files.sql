-- grain: one row for the lake
-- params: none
-- Not delete_file_count of table_info, which still counts delete files of unused files.
SELECT
  count(*)::BIGINT AS tables,
  coalesce(sum(file_count), 0)::BIGINT AS files,
  (SELECT count(*)
   FROM __ducklake_metadata_lake.ducklake_delete_file AS holes
   JOIN __ducklake_metadata_lake.ducklake_data_file AS files USING (data_file_id)
   WHERE holes.end_snapshot IS NULL AND files.end_snapshot IS NULL) AS delete_files,
  coalesce(sum(file_size_bytes + delete_file_size_bytes), 0)::BIGINT AS bytes
FROM ducklake_table_info('lake')
