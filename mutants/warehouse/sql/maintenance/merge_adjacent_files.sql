-- grain: one table that was worked on
-- params: below = bytes; larger files stay as they are
CALL ducklake_merge_adjacent_files('lake', max_file_size => $below::UBIGINT)
