-- grain: one post of `touched_posts` in post_performance: its rank before the load, with the columns it depends on
-- params: none
CREATE OR REPLACE TEMP TABLE previous_ranks AS
SELECT workspace_id, month, post_id, publications, engagement_24h, rank_24h
FROM marts.post_performance
WHERE post_id IN (SELECT post_id FROM touched_posts)
