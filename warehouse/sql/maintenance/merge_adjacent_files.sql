-- grain: one processed table
-- params: below = bytes; larger files are not merged
CALL ducklake_merge_adjacent_files('lake', max_file_size => $below::UBIGINT)
