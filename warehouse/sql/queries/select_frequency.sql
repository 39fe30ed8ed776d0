-- grain: one group of posts (level: account, platform or all) and number of posts on their day (5 = 5 or more)
-- params: workspace_id, start, end, platform, account_id, age_hours
-- The day is that of the account's calendar; every publication of the day counts towards its number of posts. Engagement
-- at one age, from marts.posts_wide: no estimate. relative: divided by the median of the account's posts in the
-- period, so that accounts of different size can be compared. interval and range as in select_decay.sql.
WITH posted AS (
  SELECT
    account_id,
    platform,
    created_date AS day,
    CASE $age_hours
      WHEN 1 THEN engagement_1h WHEN 24 THEN engagement_24h WHEN 168 THEN engagement_7d ELSE engagement_30d
    END AS engagement
  FROM marts.posts_wide
  WHERE workspace_id = $workspace_id
    AND created_timestamp >= $start::TIMESTAMPTZ AND created_timestamp < $end::TIMESTAMPTZ
    AND ($platform::VARCHAR IS NULL OR platform = $platform)
    AND ($account_id::VARCHAR IS NULL OR account_id = $account_id)
),
compared AS (
  SELECT
    posted.*,
    least(count(*) OVER (PARTITION BY posted.account_id, day), 5) AS posts_per_day,
    engagement / nullif(median(engagement) OVER (PARTITION BY posted.account_id), 0) AS relative
  FROM posted
),
grouped AS (
  SELECT
    CASE WHEN grouping(account_id) = 0 THEN 'account' WHEN grouping(platform) = 0 THEN 'platform' ELSE 'all' END AS level,
    platform,
    account_id,
    posts_per_day,
    count(DISTINCT (account_id_of_day, day)) AS days,
    count(*) AS posts,
    count(engagement) AS measured,
    count(relative) AS compared,
    median(engagement) AS engagement_median,
    list_sort(list(relative) FILTER (WHERE relative IS NOT NULL)) AS sorted
  FROM (SELECT *, account_id AS account_id_of_day FROM compared)
  GROUP BY GROUPING SETS ((platform, account_id, posts_per_day), (platform, posts_per_day), (posts_per_day))
)
SELECT
  * EXCLUDE (sorted),
  list_median(sorted) AS median,
  sorted[greatest(1, floor((compared - 1.2816 * sqrt(compared)) / 2))::INTEGER] AS interval_low,
  sorted[least(compared, ceil(1 + (compared + 1.2816 * sqrt(compared)) / 2))::INTEGER] AS interval_high,
  list_aggregate(sorted, 'quantile_cont', 0.1) AS range_low,
  list_aggregate(sorted, 'quantile_cont', 0.9) AS range_high
FROM grouped
ORDER BY level, platform, account_id, posts_per_day
