-- grain: one workspace and month in which a post of `touched_posts` took, lost or changed its engagement at 24 hours
-- params: none
CREATE OR REPLACE TEMP TABLE changed_months AS
WITH held AS (
  SELECT workspace_id, month, post_id, engagement_24h
  FROM marts.post_performance
  WHERE post_id IN (SELECT post_id FROM touched_posts) AND engagement_24h IS NOT NULL
),
fresh AS (
  SELECT workspace_id, month, post_id, engagement_24h FROM post_totals WHERE engagement_24h IS NOT NULL
)
SELECT DISTINCT workspace_id, month
FROM ((FROM held EXCEPT FROM fresh) UNION ALL (FROM fresh EXCEPT FROM held))
