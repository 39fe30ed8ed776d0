-- grain: one row of publication_at_age whose estimate differs from `estimates_at_age`, with the new estimate
-- params: none
CREATE OR REPLACE TEMP TABLE rebuilt_rows AS
SELECT
  known.* EXCLUDE (
    engagement_estimate, estimate_low, estimate_high, estimate_basis, estimate_posts, estimate_from_hours
  ),
  fresh.* EXCLUDE (publication_id, age_hours)
FROM marts.publication_at_age AS known
LEFT JOIN estimates_at_age AS fresh USING (publication_id, age_hours)
WHERE known.engagement_estimate IS DISTINCT FROM fresh.engagement_estimate
   OR known.estimate_low IS DISTINCT FROM fresh.estimate_low
   OR known.estimate_high IS DISTINCT FROM fresh.estimate_high
   OR known.estimate_basis IS DISTINCT FROM fresh.estimate_basis
   OR known.estimate_posts IS DISTINCT FROM fresh.estimate_posts
