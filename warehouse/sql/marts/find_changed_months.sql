-- grain: one workspace and month in which a post of `touched_posts` got, lost or changed its engagement at 24 hours
-- params: none; reads `post_totals`, `previous_ranks`
CREATE OR REPLACE TEMP TABLE changed_months AS
WITH changed AS (
  SELECT
    before.workspace_id AS workspace_before, before.month AS month_before, before.engagement_24h AS engagement_before,
    after.workspace_id, after.month, after.engagement_24h
  FROM previous_ranks AS before
  FULL JOIN (SELECT workspace_id, month, post_id, engagement_24h FROM post_totals) AS after USING (post_id)
  WHERE before.engagement_24h IS DISTINCT FROM after.engagement_24h
     OR before.month IS DISTINCT FROM after.month
     OR before.workspace_id IS DISTINCT FROM after.workspace_id
)
SELECT workspace_id, month FROM changed WHERE engagement_24h IS NOT NULL
UNION
SELECT workspace_before, month_before FROM changed WHERE engagement_before IS NOT NULL
