-- grain: one snapshot from before older_than that is not the one kept of its UTC day, or week if it is older by a week
-- params: older_than
-- Kept is the state after a merge, the last one: it needs the fewest files. Without a merge, the last commit.
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
-- A quiet lake's newest snapshot is old too: it is the lake.
WHERE place > 1 AND snapshot_id < (SELECT id FROM ducklake_current_snapshot('lake'))
