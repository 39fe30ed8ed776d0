-- grain: one row of `fresh_curves`, or the known row in its place if it has changed little
-- params: none
-- A new curve changes the estimates of all its posts, so it replaces the known one only if its posts grew by a tenth, or
-- its ratio or range moved by 2 %.
CREATE OR REPLACE TEMP TABLE steady_curves AS
WITH matched AS (
  SELECT fresh, known
  FROM fresh_curves AS fresh
  LEFT JOIN marts.growth_curves AS known
    ON known.workspace_id = fresh.workspace_id
   AND known.platform = fresh.platform
   AND known.account_id IS NOT DISTINCT FROM fresh.account_id
   AND known.from_hours = fresh.from_hours
   AND known.age_hours = fresh.age_hours
)
SELECT unnest(
  CASE
    WHEN known.posts IS NOT NULL
      AND abs(fresh.posts - known.posts) * 10 < known.posts
      AND abs(fresh.ratio - known.ratio) <= 0.02 * known.ratio
      AND abs(fresh.ratio_low - known.ratio_low) <= 0.02 * known.ratio
      AND abs(fresh.ratio_high - known.ratio_high) <= 0.02 * known.ratio
    THEN known
    ELSE fresh
  END
)
FROM matched
