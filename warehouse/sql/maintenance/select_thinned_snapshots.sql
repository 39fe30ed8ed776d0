-- grain: one snapshot before older_than that is not the kept one of its UTC day (of its week, if a week older)
-- params: older_than; kept = snapshots that are kept for incremental exports
-- The last state after a merge is kept, because it needs the fewest files; without a merge, the last commit.
SELECT snapshot_id
FROM (
  SELECT
    snapshot_id,
    row_number() OVER (
      PARTITION BY
        snapshot_time < $older_than::TIMESTAMPTZ - INTERVAL 7 DAY,
        date_trunc(
          CASE WHEN snapshot_time < $older_than::TIMESTAMPTZ - INTERVAL 7 DAY THEN 'week' ELSE 'day' END,
          snapshot_time AT TIME ZONE 'UTC'
        )
      ORDER BY map_contains(changes, 'merge_adjacent') DESC, snapshot_id DESC
    ) AS place
  FROM ducklake_snapshots('lake')
  WHERE snapshot_time < $older_than::TIMESTAMPTZ
)
-- Never the newest snapshot, which is the current state and may be old too.
WHERE place > 1
  AND NOT list_contains($kept::BIGINT[], snapshot_id)
  AND snapshot_id < (SELECT id FROM ducklake_current_snapshot('lake'))
