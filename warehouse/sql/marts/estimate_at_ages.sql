-- grain: one publication and age of `brackets` for which a growth curve supports an estimate
-- params: none; reads `brackets`: rows of publication_at_age without an engagement whose age is reached
-- estimate = engagement of the nearer snapshot (by ratio of ages) x the curve's median ratio between the two ages, on the
-- straight line of the logarithms between the curve's ages. The curve's range holds for another post of its kind with a
-- probability of at least 80 %; the random part of a count is added to it (binomial if the snapshot is later, Poisson if
-- it is earlier; 1.6424 = the square of the normal distribution's 80 % range). A counter that only grows lies between
-- its values before and after.
CREATE OR REPLACE TEMP TABLE estimates_at_age AS
WITH started AS (
  SELECT
    *,
    coalesce(
      before_hours >= 1 AND before_engagement > 0
        AND (after_engagement IS NULL OR age_hours / before_hours < after_hours / age_hours),
      false
    ) AS forward
  FROM brackets
),
sides AS (
  SELECT
    publication_id, workspace_id, platform, account_id, age_hours, forward,
    CASE WHEN forward THEN before_hours ELSE after_hours END AS from_hours,
    (CASE WHEN forward THEN before_engagement ELSE after_engagement END)::DOUBLE AS from_engagement,
    CASE WHEN after_engagement IS NULL OR after_engagement >= coalesce(before_engagement, 0)
      THEN coalesce(before_engagement, 0) END AS least_possible,
    CASE WHEN after_engagement >= coalesce(before_engagement, 0) THEN after_engagement END AS most_possible
  FROM started
),
points AS (
  SELECT workspace_id, platform, account_id, from_hours, age_hours, posts, ratio, ratio_low, ratio_high
  FROM marts.growth_curves
  UNION ALL
  -- At the wanted age itself the ratio is known.
  SELECT DISTINCT workspace_id, platform, account_id, age_hours, age_hours, NULL::BIGINT, 1.0, 1.0, 1.0
  FROM marts.growth_curves
),
spans AS (
  SELECT
    *,
    lead(from_hours) OVER along AS next_hours,
    lead(posts) OVER along AS next_posts,
    lead(ratio) OVER along AS next_ratio,
    lead(ratio_low) OVER along AS next_low,
    lead(ratio_high) OVER along AS next_high
  FROM points
  WINDOW along AS (PARTITION BY workspace_id, platform, account_id, age_hours ORDER BY from_hours)
),
matched AS (
  SELECT
    sides.*,
    spans.account_id IS NOT NULL AS own,
    least(posts, next_posts) AS posts,
    ln(sides.from_hours / spans.from_hours) / ln(next_hours / spans.from_hours) AS along,
    ratio, ratio_low, ratio_high, next_ratio, next_low, next_high
  FROM sides
  JOIN spans
    ON spans.workspace_id = sides.workspace_id
   AND spans.platform = sides.platform
   AND spans.age_hours = sides.age_hours
   AND (spans.account_id = sides.account_id OR spans.account_id IS NULL)
   AND sides.from_hours >= spans.from_hours
   AND sides.from_hours < spans.next_hours
  WHERE sides.from_engagement IS NOT NULL
  QUALIFY row_number() OVER (
    PARTITION BY sides.publication_id, sides.age_hours ORDER BY spans.account_id IS NULL
  ) = 1
),
ratios AS (
  SELECT
    *,
    exp((1 - along) * ln(greatest(ratio, 1e-9)) + along * ln(greatest(next_ratio, 1e-9))) AS middle,
    exp((1 - along) * ln(greatest(ratio_low, 1e-9)) + along * ln(greatest(next_low, 1e-9))) AS low,
    exp((1 - along) * ln(greatest(ratio_high, 1e-9)) + along * ln(greatest(next_high, 1e-9))) AS high
  FROM matched
),
ranges AS (
  SELECT
    *,
    from_engagement * middle AS estimate,
    1.6424 * CASE WHEN forward THEN from_engagement * greatest(middle - 1, 0)
                  ELSE from_engagement * middle * greatest(1 - middle, 0) END AS of_counts
  FROM ratios
)
SELECT
  publication_id,
  age_hours,
  to_1024th(greatest(least(estimate, most_possible), least_possible)) AS engagement_estimate,
  to_1024th(greatest(
    least(estimate - sqrt((estimate - from_engagement * low) ** 2 + of_counts), most_possible),
    coalesce(least_possible, 0)
  )) AS estimate_low,
  to_1024th(greatest(
    least(estimate + sqrt((from_engagement * high - estimate) ** 2 + of_counts), most_possible),
    least_possible
  )) AS estimate_high,
  CASE WHEN own THEN 'account' ELSE 'platform' END AS estimate_basis,
  posts AS estimate_posts,
  from_hours AS estimate_from_hours
FROM ranges
