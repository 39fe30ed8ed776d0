-- grain: one deleted file that a killed writer left behind before older_than
-- params: older_than, well before the start of the longest transaction. Never use cleanup_all: it has deleted
--   a file of an open transaction, whose commit then succeeded with unreadable rows.
CALL ducklake_delete_orphaned_files('lake', older_than => $older_than::TIMESTAMPTZ)
