-- grain: one row per publication in `steps` and UTC day, from `since` on, on which its engagement was measured
-- params: since (a day); reads `held` (what is not recounted goes on from there)
-- A counter that falls is a correction of the platform's, not a negative day: it has its own column.
WITH parts AS (
  SELECT
    workspace_id, account_id, publication_id,
    utc_time(captured_at)::DATE AS day,
    coalesce(counted_before.captured_at, least(published_at, captured_at)) AS counted_from,
    captured_at AS counted_to,
    greatest(engagement - coalesce(counted_before.engagement, 0), 0) AS gain,
    least(engagement - coalesce(counted_before.engagement, 0), 0) AS correction
  FROM steps
  WHERE engagement IS NOT NULL AND utc_time(captured_at)::DATE >= $since::DATE
  UNION ALL BY NAME
  SELECT * FROM held WHERE publication_id NOT IN (FROM recounted)
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
