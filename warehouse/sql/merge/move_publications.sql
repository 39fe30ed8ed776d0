-- grain: one publication of `pairs` that the remaining account does not have
-- params: into = the account that remains
UPDATE dims.publications SET account_id = $into
WHERE publication_id IN (SELECT publication_id FROM pairs WHERE into_publication IS NULL)
