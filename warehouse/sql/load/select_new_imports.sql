-- grain: one row of `batch` that is new to the lake
-- params: now
-- A file without captured_at does not say when its counts were read. So a row with counts already in the lake adds
-- nothing, whatever their time: a second import of a file that was touched, copied or corrected elsewhere adds
-- nothing. Counts that differ from the stored ones of the same instant replace them.
WITH held AS (
  SELECT publication_id, captured_at, likes, comments, shares, impressions
  FROM raw.post_snapshots
  WHERE publication_id IN (SELECT publication_id FROM batch)
)
SELECT
  batch.* EXCLUDE (derived, captured_at, held_then, held_counts),
  CASE WHEN held_then THEN $now::TIMESTAMPTZ ELSE captured_at END AS captured_at
FROM (
  SELECT
    batch.*,
    EXISTS (
      FROM held WHERE held.publication_id = batch.publication_id AND held.captured_at = batch.captured_at
    ) AS held_then,
    EXISTS (
      FROM held
      WHERE held.publication_id = batch.publication_id
        AND held.likes IS NOT DISTINCT FROM batch.likes
        AND held.comments IS NOT DISTINCT FROM batch.comments
        AND held.shares IS NOT DISTINCT FROM batch.shares
        AND held.impressions IS NOT DISTINCT FROM batch.impressions
    ) AS held_counts
  FROM batch
) AS batch
WHERE NOT (held_counts AND (derived OR held_then))
