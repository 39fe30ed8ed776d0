-- grain: one row per publication in `recounted` and age of 1, 24, 168 and 720 hours, and per line of a continued one
-- params: none; reads `described`, `lines`
WITH publications AS (
  SELECT workspace_id, publication_id, post_id, account_id, platform, published_at
  FROM described
)
SELECT publications.*, ages.age_hours, lines.* EXCLUDE (publication_id, age_hours),
       engagement(likes, comments, shares, saves) AS engagement
FROM publications
CROSS JOIN (SELECT unnest([1, 24, 168, 720])::INTEGER AS age_hours) AS ages
LEFT JOIN lines USING (publication_id, age_hours)
WHERE lines.publication_id IS NOT NULL OR publication_id IN (SELECT publication_id FROM recounted)
