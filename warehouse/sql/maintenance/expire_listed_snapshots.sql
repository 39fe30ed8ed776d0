-- grain: one expired snapshot of `versions`; time travel to it is no longer possible
-- params: versions
CALL ducklake_expire_snapshots('lake', versions => $versions::UBIGINT[])
