-- grain: one post of a month in `changed_months` with an engagement at 24 hours, with its new rank
-- params: none; reads `post_totals`
-- moved: a post outside the load whose rank changed.
CREATE OR REPLACE TEMP TABLE post_ranks AS
WITH others AS (
  SELECT workspace_id, month, post_id, engagement_24h, rank_24h
  FROM marts.post_performance
  WHERE (workspace_id, month) IN (FROM changed_months)
    AND engagement_24h IS NOT NULL
    AND post_id NOT IN (SELECT post_id FROM touched_posts)
),
posts AS (
  SELECT workspace_id, month, post_id, engagement_24h, NULL AS old_rank, false AS other
  FROM post_totals
  WHERE (workspace_id, month) IN (FROM changed_months) AND engagement_24h IS NOT NULL
  UNION ALL
  SELECT *, true FROM others
),
ranked AS (
  SELECT
    post_id, other, old_rank,
    rank() OVER (PARTITION BY workspace_id, month ORDER BY engagement_24h DESC) AS new_rank
  FROM posts
)
SELECT post_id, new_rank, other AND new_rank IS DISTINCT FROM old_rank AS moved
FROM ranked
WHERE NOT other OR new_rank IS DISTINCT FROM old_rank
