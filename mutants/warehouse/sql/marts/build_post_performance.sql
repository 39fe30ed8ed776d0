-- grain: one row per post of `post_totals` and of `moved_posts`, with its place
-- params: none; reads `changed_months`, `places`, `places_before`
-- In `changed_months` the places are given out again; elsewhere each keeps its own.
SELECT
  post_totals.*,
  CASE
    WHEN post_totals.engagement_24h IS NULL THEN NULL
    WHEN (post_totals.workspace_id, post_totals.month) IN (FROM changed_months) THEN places.place
    ELSE places_before.rank_24h
  END AS rank_24h
FROM post_totals
LEFT JOIN (SELECT post_id, rank_24h FROM places_before WHERE rank_24h IS NOT NULL) AS places_before USING (post_id)
LEFT JOIN (SELECT post_id, place FROM places WHERE NOT moved) AS places USING (post_id)
UNION ALL BY NAME
FROM moved_posts
