-- grain: one row per publication in `touched` and UTC day on which its engagement was measured
-- params: none
-- A counter that falls is a correction of the platform's, not a negative day: it has its own column.
INSERT INTO marts.engagement_daily BY NAME
WITH measured AS (
  SELECT
    workspace_id, account_id, publication_id, published_at, captured_at,
    engagement(likes, comments, shares, saves) AS engagement
  FROM raw.post_snapshots
  WHERE publication_id IN (SELECT publication_id FROM touched)
    AND coalesce(likes, comments, shares, saves) IS NOT NULL
),
steps AS (
  SELECT
    *,
    lag(captured_at, 1, least(published_at, captured_at)) OVER by_time AS counted_from,
    engagement - lag(engagement, 1, 0) OVER by_time AS step
  FROM measured
  WINDOW by_time AS (PARTITION BY publication_id ORDER BY captured_at)
)
SELECT
  workspace_id,
  account_id,
  publication_id,
  (captured_at AT TIME ZONE 'UTC')::DATE AS day,
  min(counted_from) AS counted_from,
  max(captured_at) AS counted_to,
  sum(greatest(step, 0)) AS gain,
  sum(least(step, 0)) AS correction
FROM steps
GROUP BY workspace_id, account_id, publication_id, day
