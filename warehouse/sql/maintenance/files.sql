-- grain: one row for the lake
-- params: none
SELECT
  count(*)::BIGINT AS tables,
  coalesce(sum(file_count), 0)::BIGINT AS files,
  coalesce(sum(delete_file_count), 0)::BIGINT AS delete_files,
  coalesce(sum(file_size_bytes + delete_file_size_bytes), 0)::BIGINT AS bytes
FROM ducklake_table_info('lake')
