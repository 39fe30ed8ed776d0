-- grain: one post of `touched_posts` with several publications, or whose publication is not in `latest`
-- params: none; reads `latest`, `newest_known`, `previous_ranks`
CREATE OR REPLACE TEMP TABLE shared_posts AS
WITH others AS (
  SELECT post_id
  FROM previous_ranks
  LEFT JOIN (SELECT post_id, count(*) AS known FROM newest_known GROUP BY post_id) USING (post_id)
  WHERE publications > coalesce(known, 0)
)
FROM touched_posts
WHERE post_id IN (FROM others)
   OR post_id NOT IN (SELECT post_id FROM latest GROUP BY post_id HAVING count(*) = 1)
