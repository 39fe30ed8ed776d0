-- grain: one post outside the load whose rank changed
-- params: none; reads `post_ranks`
CREATE OR REPLACE TEMP TABLE moved_posts AS
SELECT existing.* REPLACE (post_ranks.new_rank AS rank_24h)
FROM marts.post_performance AS existing
JOIN (SELECT post_id, new_rank FROM post_ranks WHERE moved) AS post_ranks USING (post_id)
