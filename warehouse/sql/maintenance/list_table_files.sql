-- grain: one Parquet file of the table in the newest snapshot
-- params: schema, name
SELECT data_file, data_file_size_bytes, delete_file, delete_file_size_bytes
FROM ducklake_list_files('lake', $name::VARCHAR, schema => $schema::VARCHAR)
