-- grain: one publication of `added` that must be recomputed from all its snapshots
-- params: none; reads `newest_known`
-- The others continue from the newest known snapshot, because all their new ones are later. If the newest has no
-- engagement, no age or not all known counters, the marts also need an older snapshot, so the publication is recomputed.
CREATE OR REPLACE TEMP TABLE recomputed_publications AS
SELECT DISTINCT publication_id
FROM added
LEFT JOIN (
  SELECT
    publication_id, true AS known, captured_at AS known_at,
    engagement IS NOT NULL AND age_hours IS NOT NULL AND carried IS NULL AS is_whole
  FROM newest_known
) AS newest USING (publication_id)
WHERE known IS NULL OR captured_at <= known_at OR (known_at IS NOT NULL AND NOT is_whole)
