-- grain: one row per publication in `history` and UTC day, from `since` on, on which its engagement was measured
-- params: since (a day); reads `held` (a continued publication's day goes on from there)
-- A counter that falls is a correction of the platform's, not a negative day: it has its own column.
WITH steps AS (
  SELECT
    workspace_id, account_id, publication_id, captured_at, carried,
    lag(captured_at, 1, least(published_at, captured_at)) OVER by_time AS counted_from,
    engagement(likes, comments, shares, saves)
      - lag(engagement(likes, comments, shares, saves), 1, 0) OVER by_time AS step
  FROM history
  WHERE coalesce(likes, comments, shares, saves) IS NOT NULL
  WINDOW by_time AS (PARTITION BY publication_id ORDER BY captured_at)
),
parts AS (
  SELECT
    workspace_id, account_id, publication_id,
    (captured_at AT TIME ZONE 'UTC')::DATE AS day,
    counted_from,
    captured_at AS counted_to,
    greatest(step, 0) AS gain,
    least(step, 0) AS correction
  FROM steps
  WHERE NOT carried AND (captured_at AT TIME ZONE 'UTC')::DATE >= $since::DATE
  UNION ALL BY NAME
  SELECT * FROM held WHERE publication_id IN (SELECT publication_id FROM continued)
)
SELECT
  workspace_id,
  account_id,
  publication_id,
  day,
  min(counted_from) AS counted_from,
  max(counted_to) AS counted_to,
  sum(gain) AS gain,
  sum(correction) AS correction
FROM parts
GROUP BY workspace_id, account_id, publication_id, day
