-- grain: one row per publication in `snapshots_with_previous` and UTC day with measured engagement, from `since` on
-- params: since (a day); reads `existing_days` (rows to which publications that are not recomputed are added)
-- A falling counter is a correction by the platform, not a negative day, so it has its own column.
WITH parts AS (
  SELECT
    workspace_id, account_id, publication_id,
    utc_time(captured_at)::DATE AS day,
    coalesce(counted_before.captured_at, least(published_at, captured_at)) AS counted_from,
    captured_at AS counted_to,
    greatest(engagement - coalesce(counted_before.engagement, 0), 0) AS gain,
    least(engagement - coalesce(counted_before.engagement, 0), 0) AS correction
  FROM snapshots_with_previous
  WHERE engagement IS NOT NULL AND utc_time(captured_at)::DATE >= $since::DATE
  UNION ALL BY NAME
  SELECT * FROM existing_days WHERE publication_id NOT IN (FROM recomputed_publications)
)
SELECT
  min(workspace_id) AS workspace_id,
  min(account_id) AS account_id,
  publication_id,
  day,
  min(counted_from) AS counted_from,
  max(counted_to) AS counted_to,
  sum(gain) AS gain,
  sum(correction) AS correction
FROM parts
GROUP BY publication_id, day
