-- grain: one post of `touched_posts` as post_performance has it: what its place depends on, and of how many publications
-- params: none
CREATE OR REPLACE TEMP TABLE places_before AS
SELECT workspace_id, month, post_id, publications, engagement_24h, rank_24h
FROM marts.post_performance
WHERE post_id IN (SELECT post_id FROM touched_posts)
