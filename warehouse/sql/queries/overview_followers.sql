-- grain: one row for the period and the equally long one before it
-- params: workspace_id, previous_start, start, "end", as_of (NULL = now); platform, account_id (NULL = all)
-- Growth is last minus first count, so an account counted once in a period has none, and is not taken as 0.
WITH counts AS (
  SELECT account_id, captured_at, followers, captured_at >= $start::TIMESTAMPTZ AS current
  FROM raw.account_snapshots
  WHERE workspace_id = $workspace_id
    AND captured_at >= $previous_start::TIMESTAMPTZ
    AND captured_at < $end::TIMESTAMPTZ
    AND ($as_of::TIMESTAMPTZ IS NULL OR captured_at <= $as_of)
    AND ($account_id::VARCHAR IS NULL OR account_id = $account_id)
    AND followers IS NOT NULL
),
of_platform AS (
  SELECT counts.*, coalesce(accounts.platform, '') AS platform
  FROM counts
  LEFT JOIN dims.accounts USING (account_id)
  WHERE $platform::VARCHAR IS NULL OR accounts.platform = $platform
),
growths AS (
  SELECT
    current, platform, account_id,
    CASE WHEN count(*) > 1 THEN arg_max(followers, captured_at) - arg_min(followers, captured_at) END AS growth
  FROM of_platform
  GROUP BY current, platform, account_id
),
platforms AS (
  SELECT platform, sum(growth)::BIGINT AS follower_growth FROM growths WHERE current GROUP BY platform
),
steps AS (
  SELECT
    (captured_at AT TIME ZONE 'UTC')::DATE AS day,
    followers - lag(followers) OVER (PARTITION BY account_id ORDER BY captured_at) AS step
  FROM of_platform
  WHERE current
),
days AS (SELECT day, sum(step)::BIGINT AS follower_growth FROM steps GROUP BY day)
SELECT
  (SELECT sum(growth)::BIGINT FROM growths WHERE current) AS follower_growth,
  (SELECT sum(growth)::BIGINT FROM growths WHERE NOT current) AS previous_growth,
  (SELECT count(growth) FROM growths WHERE current) AS accounts,
  (SELECT max(captured_at) FROM of_platform) AS as_of,
  (SELECT coalesce(list(platforms ORDER BY platform), []) FROM platforms) AS by_platform,
  (SELECT coalesce(list(days ORDER BY day), []) FROM days) AS days
