-- grain: one publication of `batch` that the lake does not know as promoted
-- params: none
UPDATE dims.publications SET paid = TRUE
WHERE paid IS NOT TRUE AND publication_id IN (SELECT publication_id FROM batch)
