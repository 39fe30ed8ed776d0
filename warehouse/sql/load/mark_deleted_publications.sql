-- grain: one publication of `batch` that is not yet marked as deleted in the lake
-- params: none
UPDATE dims.publications
SET deleted_at = (SELECT max(batch.deleted_at) FROM batch WHERE batch.publication_id = publications.publication_id)
WHERE deleted_at IS NULL AND publication_id IN (SELECT publication_id FROM batch)
