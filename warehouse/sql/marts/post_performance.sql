-- grain: one row per post of `post_totals`, and per other post of `held`, where places move
-- params: none
-- Places depend on a month's other posts: in `changed_months` they are given out again, elsewhere they stay.
WITH posts AS (
  FROM post_totals
  UNION ALL BY NAME
  SELECT * EXCLUDE (rank_24h) FROM held WHERE post_id NOT IN (SELECT post_id FROM touched_posts)
)
SELECT
  posts.*,
  CASE
    WHEN posts.engagement_24h IS NULL THEN NULL
    WHEN changed_months.month IS NULL THEN held.rank_24h
    ELSE rank() OVER (PARTITION BY posts.workspace_id, posts.month ORDER BY posts.engagement_24h DESC NULLS LAST)
  END AS rank_24h
FROM posts
LEFT JOIN (SELECT post_id, rank_24h FROM held) AS held USING (post_id)
LEFT JOIN changed_months USING (workspace_id, month)
