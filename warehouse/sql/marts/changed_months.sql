-- grain: one workspace and month in which a post of `touched_posts` took, lost or changed its engagement at 24 hours
-- params: none; reads `post_totals`, `places_before`
CREATE OR REPLACE TEMP TABLE changed_months AS
WITH before AS (
  SELECT workspace_id, month, post_id, engagement_24h FROM places_before WHERE engagement_24h IS NOT NULL
),
after AS (
  SELECT workspace_id, month, post_id, engagement_24h FROM post_totals WHERE engagement_24h IS NOT NULL
)
SELECT DISTINCT workspace_id, month
FROM ((FROM before EXCEPT FROM after) UNION ALL (FROM after EXCEPT FROM before))
