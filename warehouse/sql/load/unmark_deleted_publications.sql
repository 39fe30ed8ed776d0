-- grain: one publication that the platform measured after it was found deleted, and that `batch` (all that are deleted) lacks
-- params: none
-- Files list counts of deleted posts, too, so they prove nothing.
UPDATE dims.publications SET deleted_at = NULL
WHERE deleted_at IS NOT NULL
  AND publication_id NOT IN (SELECT publication_id FROM batch)
  AND deleted_at < (
    SELECT max(snapshots.captured_at) FROM raw.post_snapshots AS snapshots
    WHERE snapshots.publication_id = publications.publication_id AND snapshots.source <> 'import'
  )
