-- grain: one row for the lake: the number of files of its tables beyond one per quarter of a GB
-- params: none
SELECT coalesce(sum(file_count - least(file_count, 1 + file_size_bytes // 250_000_000)), 0)::BIGINT AS needless
FROM ducklake_table_info('lake')
