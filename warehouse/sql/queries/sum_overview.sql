-- grain: one value of the overview: `part` is its subject, `current` is false for the previous period
-- params: workspace_id, previous_start, start, "end" (start is inclusive, end exclusive); as_of (NULL = now);
--   platform, account_id (NULL = all); since, ahead = lists: from each of these instants on, local time is that many
--   microseconds ahead of UTC. The placeholder in scope is measured_now or measured_as_of.
-- One statement, because each statement costs some milliseconds in the catalog, more than the sums themselves. The
-- parts are combined by UNION: with joins, planning took longer than everything else.
-- Followers come from raw, because account_daily has only a day's last count, and a period can begin and end within a
-- day. Growth is last minus first count, so an account counted once in a period has no growth (not 0). Suspicious counts
-- are left out and counted.
WITH clock AS MATERIALIZED (
  SELECT since, coalesce(lead(since) OVER (ORDER BY since), 'infinity'::TIMESTAMPTZ) AS until, ahead
  FROM (SELECT unnest($since::TIMESTAMPTZ[]) AS since, unnest($ahead::BIGINT[]) AS ahead)
),
scope AS MATERIALIZED (
  SELECT post_id, platform, published_at, captured_at, engagement, published_at >= $start::TIMESTAMPTZ AS current
  FROM ({measured})
  WHERE workspace_id = $workspace_id
    AND published_at >= $previous_start::TIMESTAMPTZ
    AND published_at < $end::TIMESTAMPTZ
    AND ($platform::VARCHAR IS NULL OR platform = $platform)
    AND ($account_id::VARCHAR IS NULL OR account_id = $account_id)
),
posts AS MATERIALIZED (
  SELECT current, post_id, sum(engagement)::BIGINT AS engagement, min(published_at) AS published_at
  FROM scope
  GROUP BY current, post_id
),
all_counts AS MATERIALIZED (
  SELECT
    account_id, accounts.platform, captured_at, followers, captured_at >= $start::TIMESTAMPTZ AS current,
    (account_id, captured_at) IN (SELECT (account_id, captured_at) FROM marts.suspicious_counts) AS suspicious
  FROM raw.account_snapshots AS snapshots
  LEFT JOIN (SELECT account_id, platform FROM dims.accounts) AS accounts USING (account_id)
  WHERE workspace_id = $workspace_id
    AND captured_at >= $previous_start::TIMESTAMPTZ
    AND captured_at < $end::TIMESTAMPTZ
    AND ($as_of::TIMESTAMPTZ IS NULL OR captured_at <= $as_of)
    AND ($account_id::VARCHAR IS NULL OR account_id = $account_id)
    AND ($platform::VARCHAR IS NULL OR accounts.platform = $platform)
    AND followers IS NOT NULL
),
counts AS MATERIALIZED (FROM all_counts WHERE NOT suspicious),
growths AS MATERIALIZED (
  SELECT
    current, platform, account_id, max(captured_at) AS captured_at,
    CASE WHEN count(*) > 1 THEN arg_max(followers, captured_at) - arg_min(followers, captured_at) END AS growth
  FROM counts
  GROUP BY current, platform, account_id
)
SELECT 'posts' AS part, current, NULL::VARCHAR AS name, NULL::DATE AS day, count(*) AS counted,
       sum(engagement)::BIGINT AS total, NULL::TIMESTAMPTZ AS as_of
FROM posts
GROUP BY current
UNION ALL
SELECT 'publications', current, NULL, NULL, count(*), count(engagement), max(captured_at) FROM scope GROUP BY current
UNION ALL
SELECT 'platform', true, platform, NULL, count(DISTINCT post_id), sum(engagement)::BIGINT, NULL
FROM scope
WHERE current
GROUP BY platform
UNION ALL
SELECT 'day', true, NULL, make_timestamp(epoch_us(published_at) + ahead)::DATE AS day, count(*),
       sum(engagement)::BIGINT, NULL
FROM posts
JOIN clock ON published_at >= since AND published_at < until
WHERE current
GROUP BY day
UNION ALL
SELECT 'top', current, post_id, NULL, NULL, engagement, NULL
FROM posts
WHERE engagement IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY current ORDER BY engagement DESC, post_id DESC) <= 10
UNION ALL
SELECT 'followers', current, NULL, NULL, count(growth), sum(growth)::BIGINT, max(captured_at) FROM growths GROUP BY current
UNION ALL
SELECT 'platform_followers', true, coalesce(platform, ''), NULL, NULL, sum(growth)::BIGINT, NULL
FROM growths
WHERE current
GROUP BY platform
UNION ALL
SELECT 'suspicious', current, NULL, NULL, count(*), count(DISTINCT account_id), NULL
FROM all_counts
WHERE suspicious
GROUP BY current
UNION ALL
SELECT 'day_followers', true, NULL, make_timestamp(epoch_us(captured_at) + ahead)::DATE AS day, NULL, sum(step)::BIGINT, NULL
FROM (
  SELECT captured_at, followers - lag(followers) OVER (PARTITION BY account_id ORDER BY captured_at) AS step
  FROM counts
  WHERE current
)
JOIN clock ON captured_at >= since AND captured_at < until
GROUP BY day
