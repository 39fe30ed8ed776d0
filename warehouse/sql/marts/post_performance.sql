-- grain: one row per post of `post_totals`, and per other post of a month in `changed_months`, where places move
-- params: none
WITH posts AS (
  FROM post_totals
  UNION ALL BY NAME
  SELECT * EXCLUDE (rank_24h)
  FROM marts.post_performance
  WHERE (workspace_id, month) IN (FROM changed_months)
    AND post_id NOT IN (SELECT post_id FROM touched_posts)
),
held AS (
  SELECT post_id, rank_24h
  FROM marts.post_performance
  WHERE post_id IN (SELECT post_id FROM touched_posts)
)
SELECT
  posts.*,
  CASE
    WHEN posts.engagement_24h IS NULL THEN NULL
    WHEN changed_months.month IS NULL THEN held.rank_24h
    ELSE rank() OVER (PARTITION BY posts.workspace_id, posts.month ORDER BY posts.engagement_24h DESC NULLS LAST)
  END AS rank_24h
FROM posts
LEFT JOIN held USING (post_id)
LEFT JOIN changed_months USING (workspace_id, month)
