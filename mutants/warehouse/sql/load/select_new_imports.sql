-- grain: the rows of `batch` that tell the lake something new
-- params: now
-- A file without captured_at cannot say when its counts were true. So a row whose counts the lake holds
-- already adds nothing, whenever they were read; that makes a second import of a file, touched, copied or
-- corrected elsewhere, add nothing. Counts that differ from those held for the same moment restate them.
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
