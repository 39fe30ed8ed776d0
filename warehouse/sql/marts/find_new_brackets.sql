-- grain: one publication and age of `values_at_age` without an engagement, with the snapshots around the age
-- params: none; reads `publication_dimensions`
CREATE OR REPLACE TEMP TABLE brackets AS
SELECT
  publication_id, workspace_id, platform, account_id, age_hours,
  before_hours, before_engagement, after_hours, after_engagement
FROM values_at_age
JOIN (SELECT publication_id, workspace_id, platform, account_id FROM publication_dimensions) USING (publication_id)
WHERE engagement IS NULL AND (after_engagement IS NOT NULL OR before_engagement IS NOT NULL)
