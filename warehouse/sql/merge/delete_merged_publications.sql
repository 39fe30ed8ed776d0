-- grain: one publication of `pairs` whose merged publication is in the lake too
-- params: none
DELETE FROM dims.publications
WHERE publication_id IN (
  SELECT publication_id FROM pairs
  WHERE into_publication IN (SELECT publication_id FROM dims.publications)
)
