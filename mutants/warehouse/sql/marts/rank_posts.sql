-- grain: one post of a month in `changed_months` that has an engagement at 24 hours, with its place
-- params: none; reads `post_totals`
-- moved: a post that no load touched, whose place is another all the same.
CREATE OR REPLACE TEMP TABLE places AS
WITH others AS (
  SELECT workspace_id, month, post_id, engagement_24h, rank_24h
  FROM marts.post_performance
  WHERE (workspace_id, month) IN (FROM changed_months)
    AND engagement_24h IS NOT NULL
    AND post_id NOT IN (SELECT post_id FROM touched_posts)
),
posts AS (
  SELECT workspace_id, month, post_id, engagement_24h, NULL AS place_before, false AS other
  FROM post_totals
  WHERE (workspace_id, month) IN (FROM changed_months) AND engagement_24h IS NOT NULL
  UNION ALL
  SELECT *, true FROM others
),
ranked AS (
  SELECT
    post_id, other, place_before,
    rank() OVER (PARTITION BY workspace_id, month ORDER BY engagement_24h DESC) AS place
  FROM posts
)
SELECT post_id, place, other AND place IS DISTINCT FROM place_before AS moved
FROM ranked
WHERE NOT other OR place IS DISTINCT FROM place_before
