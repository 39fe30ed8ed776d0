-- grain: one expired snapshot; what was known before older_than can no longer be travelled back to
-- params: older_than
CALL ducklake_expire_snapshots('lake', older_than => $older_than::TIMESTAMPTZ)
