-- grain: one table that was worked on
-- params: none
CALL ducklake_merge_adjacent_files('lake')
