-- grain: one publication of the lake whose mark is not that of `batch`; without a row there, the mark is taken back
-- params: none
UPDATE dims.publications
SET marked_paid = (SELECT bool_or(batch.marked_paid) FROM batch WHERE batch.publication_id = publications.publication_id)
WHERE (marked_paid IS NOT NULL OR publication_id IN (SELECT publication_id FROM batch))
  AND marked_paid IS DISTINCT FROM (
    SELECT bool_or(batch.marked_paid) FROM batch WHERE batch.publication_id = publications.publication_id
  )
