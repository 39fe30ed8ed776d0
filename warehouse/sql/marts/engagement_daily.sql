-- grain: one row per publication in `history` and UTC day, from `since` on, on which its engagement was measured
-- params: since (a day)
-- A counter that falls is a correction of the platform's, not a negative day: it has its own column.
WITH steps AS (
  SELECT
    workspace_id, account_id, publication_id, captured_at,
    lag(captured_at, 1, least(published_at, captured_at)) OVER by_time AS counted_from,
    engagement(likes, comments, shares, saves)
      - lag(engagement(likes, comments, shares, saves), 1, 0) OVER by_time AS step
  FROM history
  WHERE coalesce(likes, comments, shares, saves) IS NOT NULL
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
WHERE (captured_at AT TIME ZONE 'UTC')::DATE >= $since::DATE
GROUP BY workspace_id, account_id, publication_id, day
