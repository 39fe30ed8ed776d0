-- grain: one row per publication in `recounted` and age of 1, 24, 168 and 720 hours, and per line of another
-- params: none; reads `described`, `lines`
WITH wanted AS (
  SELECT publication_id, age_hours FROM lines
  UNION
  SELECT publication_id, unnest([1, 24, 168, 720])::INTEGER AS age_hours FROM recounted
)
SELECT workspace_id, publication_id, post_id, account_id, platform, published_at, age_hours,
       lines.* EXCLUDE (publication_id, age_hours),
       engagement(likes, comments, shares, saves) AS engagement
FROM wanted
JOIN (SELECT workspace_id, publication_id, post_id, account_id, platform, published_at FROM described) AS described
  USING (publication_id)
LEFT JOIN lines USING (publication_id, age_hours)
