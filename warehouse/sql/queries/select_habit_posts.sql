-- grain: one measured post of the platform since $since, at full age, neither promoted nor deleted; `place` is the index
--   of its account in $account_ids, `kind` the index of its kind in $kinds, `length` that of its length (-1 = not known)
-- params: platform; account_ids, zones (IANA, one per account), kinds, edges (characters): lists; grown_up = hours; since
WITH accounts AS (
  SELECT
    unnest($account_ids::VARCHAR[]) AS account_id,
    unnest($zones::VARCHAR[]) AS timezone,
    unnest(range(len($account_ids::VARCHAR[])))::INTEGER AS place
)
SELECT
  accounts.place,
  date_diff('day', DATE '1970-01-01', (latest.published_at AT TIME ZONE accounts.timezone)::DATE)::INTEGER AS day,
  latest.engagement::FLOAT AS engagement,
  (coalesce(list_position($kinds::VARCHAR[], latest.kind), 0) - 1)::TINYINT AS kind,
  CASE
    WHEN publications.text_length IS NULL THEN -1
    ELSE len(list_filter($edges::BIGINT[], lambda edge: publications.text_length >= edge))
  END::TINYINT AS length
FROM marts.publication_latest AS latest
INNER JOIN accounts USING (account_id)
LEFT JOIN dims.publications AS publications ON publications.publication_id = latest.publication_id
WHERE latest.platform = $platform
  AND latest.engagement IS NOT NULL
  AND latest.age_hours >= $grown_up
  AND latest.published_at >= $since
  AND NOT coalesce(publications.paid, FALSE)
  AND publications.deleted_at IS NULL
ORDER BY accounts.place, day
