-- grain: one group of posts (level: account, platform or all) and age; the row without an age is the half-life
-- params: workspace_id, start, end, platform, account_id, reference_hours
-- Posts published in [start, end) with an engagement of at least 10 at the reference age, which counts as their whole.
-- Values at an age by the rule of marts.publication_at_age: on the line between two real snapshots of which the nearer one
-- is within a quarter of the age; publishing counts as a snapshot of zeros in the first 3 hours only.
-- interval: of the median of such posts, by its ranks, 80 %; range: from the tenth to the ninetieth percentile of the posts.
WITH chosen AS (
  SELECT
    publication_id, account_id, platform, published_at,
    CASE WHEN $reference_hours = 168 THEN engagement_7d ELSE engagement_30d END AS whole
  FROM marts.publication_latest
  WHERE workspace_id = $workspace_id
    AND published_at >= $start::TIMESTAMPTZ AND published_at < $end::TIMESTAMPTZ
    AND ($platform::VARCHAR IS NULL OR platform = $platform)
    AND ($account_id::VARCHAR IS NULL OR account_id = $account_id)
    AND CASE WHEN $reference_hours = 168 THEN engagement_7d ELSE engagement_30d END >= 10
),
stretches AS (
  SELECT
    publication_id, account_id, platform, whole, hours, engagement,
    lag(hours) OVER by_time AS hours_before,
    lag(engagement) OVER by_time AS engagement_before
  FROM (
    SELECT
      chosen.*,
      (epoch_us(snapshots.captured_at) - epoch_us(chosen.published_at)) / 3.6e9 AS hours,
      engagement(likes, comments, shares, saves)::DOUBLE AS engagement
    FROM raw.post_snapshots AS snapshots
    JOIN chosen USING (publication_id)
    WHERE snapshots.workspace_id = $workspace_id AND snapshots.captured_at >= $start::TIMESTAMPTZ
      AND snapshots.is_lifetime IS DISTINCT FROM true  -- its age is not known
  )
  WHERE engagement IS NOT NULL AND hours >= 0
  WINDOW by_time AS (PARTITION BY publication_id ORDER BY hours)
),
points AS (
  SELECT
    publication_id, account_id, platform, grid.at::INTEGER AS age_hours,
    CASE
      WHEN hours = grid.at THEN engagement
      ELSE coalesce(engagement_before, 0) + (engagement - coalesce(engagement_before, 0))
        * (grid.at - coalesce(hours_before, 0)) / (hours - coalesce(hours_before, 0))
    END / whole AS share
  FROM stretches
  JOIN (SELECT unnest([1, 3, 6, 12, 24, 48, 72, 120, 168, 336, 720]) AS at) AS grid
    ON grid.at <= hours AND grid.at > coalesce(hours_before, 0) AND grid.at <= $reference_hours
  WHERE hours = grid.at
     OR (
       (hours_before IS NOT NULL OR grid.at <= 3)
       AND least(grid.at - coalesce(hours_before, 0), hours - grid.at) <= grid.at / 4
     )
),
halves AS (
  -- The first time at which half of the whole is reached, where the same rule allows to say when that was.
  SELECT publication_id, account_id, platform, NULL::INTEGER AS age_hours, half AS share
  FROM (
    SELECT
      *,
      coalesce(hours_before, 0) + (hours - coalesce(hours_before, 0))
        * (whole / 2 - coalesce(engagement_before, 0)) / (engagement - coalesce(engagement_before, 0)) AS half
    FROM stretches
    WHERE engagement >= whole / 2 AND coalesce(engagement_before, 0) < whole / 2
    QUALIFY row_number() OVER (PARTITION BY publication_id ORDER BY hours) = 1
  )
  WHERE (hours_before IS NOT NULL OR half <= 3)
    AND least(half - coalesce(hours_before, 0), hours - half) <= half / 4
),
grouped AS (
  SELECT
    CASE WHEN grouping(account_id) = 0 THEN 'account' WHEN grouping(platform) = 0 THEN 'platform' ELSE 'all' END AS level,
    platform, account_id, age_hours,
    count(*) AS posts,
    list_sort(list(share)) AS sorted
  FROM (FROM points UNION ALL FROM halves)
  GROUP BY GROUPING SETS ((platform, account_id, age_hours), (platform, age_hours), (age_hours))
),
wholes AS (
  SELECT
    CASE WHEN grouping(account_id) = 0 THEN 'account' WHEN grouping(platform) = 0 THEN 'platform' ELSE 'all' END AS level,
    platform, account_id, count(*) AS of_posts
  FROM chosen
  GROUP BY GROUPING SETS ((platform, account_id), (platform), ())
  HAVING count(*) > 0
)
SELECT
  wholes.level, wholes.platform, wholes.account_id, wholes.of_posts, age_hours, coalesce(posts, 0) AS posts,
  list_median(sorted) AS median,
  sorted[greatest(1, floor((posts - 1.2816 * sqrt(posts)) / 2))::INTEGER] AS interval_low,
  sorted[least(posts, ceil(1 + (posts + 1.2816 * sqrt(posts)) / 2))::INTEGER] AS interval_high,
  list_aggregate(sorted, 'quantile_cont', 0.1) AS range_low,
  list_aggregate(sorted, 'quantile_cont', 0.9) AS range_high
FROM wholes
LEFT JOIN grouped
  ON grouped.level = wholes.level
  AND grouped.platform IS NOT DISTINCT FROM wholes.platform
  AND grouped.account_id IS NOT DISTINCT FROM wholes.account_id
ORDER BY wholes.level, wholes.platform, wholes.account_id, age_hours
