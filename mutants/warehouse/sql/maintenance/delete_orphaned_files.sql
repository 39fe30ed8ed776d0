-- grain: one deleted file that a killed writer left behind before older_than
-- params: older_than, well before the start of the longest transaction. Never cleanup_all: it was seen to
--   delete a file of an open transaction, whose commit then succeeded with rows that cannot be read.
CALL ducklake_delete_orphaned_files('lake', older_than => $older_than::TIMESTAMPTZ)
