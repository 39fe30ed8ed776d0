-- grain: one row of publication_at_age without an engagement whose age is reached, with the snapshots around the age
-- params: none
CREATE OR REPLACE TEMP TABLE brackets AS
SELECT
  publication_id, workspace_id, platform, account_id, age_hours,
  before_hours, before_engagement, after_hours, after_engagement
FROM marts.publication_at_age
WHERE engagement IS NULL AND after_hours IS NOT NULL AND (after_engagement IS NOT NULL OR before_engagement IS NOT NULL)
