-- grain: one row per post of `post_totals` and of `moved_posts`, with its rank
-- params: none; reads `changed_months`, `post_ranks`, `previous_ranks`
-- In `changed_months` the ranks are recomputed; elsewhere each post keeps its rank.
SELECT
  post_totals.*,
  CASE
    WHEN post_totals.engagement_24h IS NULL THEN NULL
    WHEN (post_totals.workspace_id, post_totals.month) IN (FROM changed_months) THEN post_ranks.new_rank
    ELSE previous_ranks.rank_24h
  END AS rank_24h
FROM post_totals
LEFT JOIN (SELECT post_id, rank_24h FROM previous_ranks WHERE rank_24h IS NOT NULL) AS previous_ranks USING (post_id)
LEFT JOIN (SELECT post_id, new_rank FROM post_ranks WHERE NOT moved) AS post_ranks USING (post_id)
UNION ALL BY NAME
FROM moved_posts
