-- grain: one publication of `added` that is made again from all its snapshots
-- params: none; reads `newest_known`
-- The others go on from the newest known snapshot: all their new ones follow it. Not where the newest has no engagement:
-- the daily gain then counts from an older one.
CREATE OR REPLACE TEMP TABLE recounted AS
SELECT DISTINCT publication_id
FROM added
LEFT JOIN (
  SELECT publication_id, true AS known, captured_at AS known_at, engagement IS NOT NULL AS has_engagement
  FROM newest_known
) AS newest USING (publication_id)
WHERE known IS NULL OR captured_at <= known_at OR (known_at IS NOT NULL AND NOT has_engagement)
