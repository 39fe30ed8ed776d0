-- grain: one local day on which the account was counted, oldest first
-- params: workspace_id, account_id; start, "end" (of the day's last count; end is exclusive)
-- Days are in the account's time zone. From raw, because account_daily has UTC days. Suspicious counts are left out.
WITH counts AS (
  SELECT
    (captured_at AT TIME ZONE coalesce(accounts.timezone, 'UTC'))::DATE AS date,
    captured_at,
    CASE WHEN captured_at NOT IN (
      SELECT captured_at FROM marts.suspicious_counts WHERE account_id = $account_id
    ) THEN followers END AS followers,
    following,
    posts
  FROM raw.account_snapshots
  LEFT JOIN (SELECT account_id, timezone FROM dims.accounts) AS accounts USING (account_id)
  WHERE workspace_id = $workspace_id AND account_id = $account_id
),
days AS (
  SELECT
    date,
    max(captured_at) AS captured_at,
    arg_max(followers, captured_at) FILTER (WHERE followers IS NOT NULL) AS followers,
    arg_max(following, captured_at) FILTER (WHERE following IS NOT NULL) AS following,
    arg_max(posts, captured_at) FILTER (WHERE posts IS NOT NULL) AS posts
  FROM counts
  GROUP BY date
),
grown AS (
  SELECT *, followers - lag(followers IGNORE NULLS) OVER (ORDER BY date) AS follower_growth FROM days
)
FROM grown
WHERE captured_at >= $start::TIMESTAMPTZ
  AND captured_at < $end::TIMESTAMPTZ
ORDER BY date
