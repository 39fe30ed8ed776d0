-- grain: one measured publication of the platform of any origin, with its newest snapshot; `place` is the index
--   of its account in $account_ids, `kind` the index of its kind in $kinds (0 = none)
-- params: platform; account_ids, kinds (lists of text); now = later publications are left out
WITH accounts AS (
  SELECT
    unnest($account_ids::VARCHAR[]) AS account_id,
    unnest(range(len($account_ids::VARCHAR[])))::INTEGER AS place
)
SELECT
  accounts.place,
  epoch_us(latest.published_at) AS published,
  latest.engagement::DOUBLE AS engagement,
  coalesce(list_position($kinds::VARCHAR[], latest.kind), 0)::SMALLINT AS kind,
  -- At least this old, if the time of reading is unknown.
  coalesce(latest.age_hours, (epoch(latest.captured_at) - epoch(latest.published_at)) / 3600)::FLOAT AS age_hours
FROM marts.publication_latest AS latest
INNER JOIN accounts USING (account_id)
WHERE latest.platform = $platform
  AND latest.engagement IS NOT NULL
  AND latest.published_at <= $now
  AND latest.publication_id NOT IN (SELECT publication_id FROM dims.publications WHERE day_only)
ORDER BY accounts.place, published
