-- grain: one account with a count or a publication in the period
-- params: workspace_id, start, "end" (end is exclusive), account_id (NULL = all)
-- Followers come from raw, because account_daily has only a day's last count, and a period can begin and end within
-- a day. Suspicious counts are left out and counted.
WITH counts AS (
  SELECT
    account_id, captured_at, followers,
    (account_id, captured_at) IN (SELECT (account_id, captured_at) FROM marts.suspicious_counts) AS suspicious
  FROM raw.account_snapshots
  WHERE workspace_id = $workspace_id
    AND captured_at >= $start::TIMESTAMPTZ
    AND captured_at < $end::TIMESTAMPTZ
    AND ($account_id::VARCHAR IS NULL OR account_id = $account_id)
    AND followers IS NOT NULL
),
followers AS (
  SELECT
    account_id,
    arg_max(followers, captured_at) FILTER (WHERE NOT suspicious) AS followers,
    max(captured_at) FILTER (WHERE NOT suspicious) AS followers_at,
    arg_min(followers, captured_at) FILTER (WHERE NOT suspicious) AS first_followers,
    CASE WHEN count(*) FILTER (WHERE NOT suspicious) > 1
      THEN arg_max(followers, captured_at) FILTER (WHERE NOT suspicious)
        - arg_min(followers, captured_at) FILTER (WHERE NOT suspicious)
    END AS follower_growth,
    count(*) FILTER (WHERE suspicious) AS suspicious_counts
  FROM counts
  GROUP BY account_id
),
publications AS (
  SELECT account_id, count(*) AS publications, count(engagement) AS measured, sum(engagement)::BIGINT AS engagement
  FROM marts.publication_latest
  WHERE workspace_id = $workspace_id
    AND published_at >= $start::TIMESTAMPTZ
    AND published_at < $end::TIMESTAMPTZ
    AND ($account_id::VARCHAR IS NULL OR account_id = $account_id)
  GROUP BY account_id
)
SELECT
  account_id, followers, followers_at, follower_growth,
  follower_growth / nullif(first_followers, 0) AS follower_growth_rate,
  coalesce(suspicious_counts, 0) AS suspicious_counts,
  coalesce(publications, 0) AS publications,
  coalesce(measured, 0) AS measured,
  engagement,
  engagement / nullif(measured, 0) AS engagement_mean
FROM followers
FULL JOIN publications USING (account_id)
