-- grain: one expired snapshot; time travel to before older_than is no longer possible
-- params: older_than
CALL ducklake_expire_snapshots('lake', older_than => $older_than::TIMESTAMPTZ)
