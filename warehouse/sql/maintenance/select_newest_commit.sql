-- grain: one row for the lake
-- params: none
SELECT max(snapshot_time) AS newest_commit FROM ducklake_snapshots('lake')
