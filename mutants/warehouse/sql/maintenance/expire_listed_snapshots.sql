-- grain: one expired snapshot of `versions`; what was known just then can no longer be travelled back to
-- params: versions
CALL ducklake_expire_snapshots('lake', versions => $versions::UBIGINT[])
