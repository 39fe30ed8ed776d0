-- grain: one publication of `pairs` that the remaining account has too
-- params: none
DELETE FROM dims.publications
WHERE publication_id IN (SELECT publication_id FROM pairs WHERE into_publication IS NOT NULL)
