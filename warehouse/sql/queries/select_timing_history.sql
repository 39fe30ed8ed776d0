-- grain: one publication of the platform of any origin, with its newest snapshot; `place` is the index of its account in $account_ids, `kind`
--   the index of its kind in $kinds (0 = none), `length` that of its length (-1 = not known); `counted` (its engagement) is NULL if it was promoted, deleted
--   or not measured: such a post says nothing but that its day had one more; `hour_known`: it is compared, and its time of day is known;
--   `habitual`: published since $since, and measured at full age or not compared
-- params: platform; account_ids, kinds (lists of text); edges (characters, a list); grown_up = hours; since; now = later publications are left out
WITH accounts AS (
  SELECT
    unnest($account_ids::VARCHAR[]) AS account_id,
    unnest(range(len($account_ids::VARCHAR[])))::INTEGER AS place
)
SELECT
  accounts.place,
  epoch_us(latest.published_at) AS published,
  CASE WHEN NOT coalesce(publications.left_out, FALSE) THEN latest.engagement END::DOUBLE AS counted,
  coalesce(list_position($kinds::VARCHAR[], latest.kind), 0)::SMALLINT AS kind,
  -- At least this old, if the time of reading is unknown.
  coalesce(latest.age_hours, (epoch(latest.captured_at) - epoch(latest.published_at)) / 3600)::FLOAT AS age_hours,
  coalesce(publications.length, -1)::TINYINT AS length,
  counted IS NOT NULL AND NOT coalesce(publications.day_only, FALSE) AS hour_known,
  (counted IS NULL OR coalesce(latest.age_hours >= $grown_up, FALSE)) AND latest.published_at >= $since AS habitual
FROM marts.publication_latest AS latest
INNER JOIN accounts USING (account_id)
LEFT JOIN (
  SELECT
    publication_id,
    day_only,
    CASE
      WHEN text_length IS NOT NULL THEN len(list_filter($edges::BIGINT[], lambda edge: text_length >= edge))
    END::TINYINT AS length,
    -- Promotion buys engagement at any hour, and a deleted post stopped collecting it at an unknown age.
    coalesce(marked_paid, paid, FALSE) OR deleted_at IS NOT NULL AS left_out
  FROM dims.publications
  WHERE platform = $platform
) AS publications USING (publication_id)
WHERE latest.platform = $platform
  AND latest.published_at <= $now
ORDER BY accounts.place, published
