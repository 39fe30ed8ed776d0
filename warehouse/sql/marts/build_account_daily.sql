-- grain: one row per account in `touched_accounts` and UTC day, from `since` on, on which it was measured
-- params: since (a day); reads suspicious_counts, whose counts of followers are left out
WITH counts AS (
  SELECT
    snapshots.* EXCLUDE (followers),
    CASE WHEN suspicious.account_id IS NULL THEN snapshots.followers END AS followers,
    suspicious.account_id IS NOT NULL AS is_suspicious
  FROM raw.account_snapshots AS snapshots
  LEFT JOIN (SELECT account_id, captured_at FROM marts.suspicious_counts) AS suspicious
    ON suspicious.account_id = snapshots.account_id AND suspicious.captured_at = snapshots.captured_at
  WHERE snapshots.account_id IN (SELECT account_id FROM touched_accounts)
),
days AS (
  SELECT
    workspace_id,
    account_id,
    utc_time(captured_at)::DATE AS day,
    max(captured_at) AS captured_at,
    arg_max(followers, captured_at) FILTER (WHERE followers IS NOT NULL) AS followers,
    arg_max(following, captured_at) FILTER (WHERE following IS NOT NULL) AS following,
    arg_max(posts, captured_at) FILTER (WHERE posts IS NOT NULL) AS posts,
    count(*) FILTER (WHERE is_suspicious) AS suspicious
  FROM counts
  GROUP BY workspace_id, account_id, day
),
grown AS (
  SELECT
    *,
    -- IGNORE NULLS skips days without a count, so that the sum of growth stays right.
    followers - lag(followers IGNORE NULLS) OVER (PARTITION BY account_id ORDER BY day) AS follower_growth
  FROM days
)
FROM grown
WHERE day >= $since::DATE
