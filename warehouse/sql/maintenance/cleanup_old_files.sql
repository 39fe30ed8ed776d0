-- grain: one deleted file that no snapshot needed at older_than
-- params: older_than, well before the start of the longest read
CALL ducklake_cleanup_old_files('lake', older_than => $older_than::TIMESTAMPTZ)
