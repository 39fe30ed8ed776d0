-- grain: one post that no load touched, whose place moved all the same
-- params: none; reads `places`
CREATE OR REPLACE TEMP TABLE moved_posts AS
SELECT held.* REPLACE (places.place AS rank_24h)
FROM marts.post_performance AS held
JOIN (SELECT post_id, place FROM places WHERE moved) AS places USING (post_id)
