-- grain: one row per publication in `recomputed_publications` and `new_publications` and age of 1, 24, 168 and 720
--   hours, and per other row of `values_at_age`
-- params: none; reads `publication_dimensions`, `values_at_age`, `estimates_at_age`
WITH wanted AS (
  SELECT publication_id, age_hours FROM values_at_age
  UNION
  SELECT publication_id, unnest([1, 24, 168, 720])::INTEGER AS age_hours
  FROM (FROM recomputed_publications UNION ALL FROM new_publications)
)
SELECT workspace_id, publication_id, post_id, account_id, platform, published_at, age_hours,
       values_at_age.* EXCLUDE (publication_id, age_hours),
       estimates_at_age.* EXCLUDE (publication_id, age_hours)
FROM wanted
JOIN (
  SELECT workspace_id, publication_id, post_id, account_id, platform, published_at FROM publication_dimensions
) AS publications USING (publication_id)
LEFT JOIN values_at_age USING (publication_id, age_hours)
LEFT JOIN estimates_at_age USING (publication_id, age_hours)
