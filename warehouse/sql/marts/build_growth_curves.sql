-- grain: one account, or all accounts of a workspace on a platform, and pair of ages with enough posts measured at both
-- params: computed_at
-- A distribution-free prediction range: of n + 1 posts that grow alike, one post's ratio is equally likely to have each
-- rank, so it lies between the k-th smallest and the k-th largest of the n others with a probability of at least
-- 1 - 2k / (n + 1); k = a tenth of n + 1 gives 80 %. At least 30 posts; for a platform from at least 3 accounts.
-- Posts measured at one of the ages: per account the newest 100 of each maturity, at most 200,000, with an engagement of at least 20 at the known age,
-- because ratios of small counts are mostly chance.
CREATE OR REPLACE TEMP TABLE fresh_curves AS
WITH chosen AS (
  SELECT workspace_id, platform, account_id, publication_id, published_at
  FROM (
    SELECT workspace_id, platform, account_id, publication_id, published_at
    FROM marts.publication_latest
    WHERE engagement >= 20
      AND coalesce(engagement_1h, engagement_24h, engagement_7d, engagement_30d) IS NOT NULL
    QUALIFY row_number() OVER (
      PARTITION BY account_id, CASE WHEN age_hours >= 720 THEN 2 WHEN age_hours >= 168 THEN 1 ELSE 0 END
      ORDER BY published_at DESC, publication_id
    ) <= 100
  )
  ORDER BY published_at DESC, publication_id
  LIMIT 200000
),
snapshots AS (
  SELECT
    publication_id,
    (epoch_us(captured_at) - epoch_us(chosen.published_at)) / 3.6e9 AS hours,
    engagement(likes, comments, shares, saves)::DOUBLE AS engagement
  FROM raw.post_snapshots
  JOIN chosen USING (publication_id)
  WHERE is_lifetime IS NOT TRUE
),
stretches AS (
  SELECT
    *,
    lag(hours) OVER by_time AS hours_before,
    lag(engagement) OVER by_time AS engagement_before
  FROM snapshots
  WHERE engagement IS NOT NULL AND hours >= 0
  WINDOW by_time AS (PARTITION BY publication_id ORDER BY hours)
),
points AS (
  -- As in find_reached_ages.sql.
  SELECT
    publication_id, grid.at,
    CASE WHEN hours = grid.at THEN engagement
         ELSE coalesce(engagement_before, 0) + (engagement - coalesce(engagement_before, 0))
           * (grid.at - coalesce(hours_before, 0)) / (hours - coalesce(hours_before, 0)) END AS engagement
  FROM stretches
  JOIN (SELECT unnest([1, 3, 6, 12, 24, 48, 72, 120, 168, 336, 720, 1440, 2160])::INTEGER AS at) AS grid
    ON grid.at <= hours AND grid.at > coalesce(hours_before, 0)
  WHERE hours = grid.at
     OR (
       (hours_before IS NOT NULL OR grid.at <= 3)
       AND least(grid.at - coalesce(hours_before, 0), hours - grid.at) <= grid.at / 4
     )
),
pairs AS (
  SELECT
    workspace_id, platform, account_id, known.at AS from_hours, wanted.at AS age_hours,
    wanted.engagement / known.engagement AS ratio
  FROM points AS known
  JOIN points AS wanted USING (publication_id)
  JOIN chosen USING (publication_id)
  WHERE known.engagement >= 20 AND known.at <> wanted.at AND wanted.at IN (1, 24, 168, 720)
),
grouped AS (
  SELECT
    workspace_id, platform, account_id, from_hours, age_hours,
    count(*) AS posts,
    count(DISTINCT account_id) AS accounts,
    list_sort(list(ratio)) AS ratios
  FROM pairs
  GROUP BY workspace_id, platform, account_id, from_hours, age_hours
  HAVING count(*) >= 30
  UNION ALL
  SELECT workspace_id, platform, NULL, from_hours, age_hours, count(*), count(DISTINCT account_id), list_sort(list(ratio))
  FROM pairs
  GROUP BY workspace_id, platform, from_hours, age_hours
  HAVING count(*) >= 30 AND count(DISTINCT account_id) >= 3
)
SELECT
  workspace_id, platform, account_id, from_hours, age_hours, posts, accounts,
  list_median(ratios) AS ratio,
  ratios[(posts + 1) // 10] AS ratio_low,
  ratios[posts + 1 - (posts + 1) // 10] AS ratio_high,
  $computed_at::TIMESTAMPTZ AS computed_at
FROM grouped
