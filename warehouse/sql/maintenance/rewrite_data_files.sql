-- grain: one table that was worked on
-- params: none
CALL ducklake_rewrite_data_files('lake', delete_threshold => 0.05)
