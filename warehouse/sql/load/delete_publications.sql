-- grain: the old row of each publication in `changed`
-- params: none
DELETE FROM dims.publications WHERE publication_id IN (SELECT publication_id FROM changed)
