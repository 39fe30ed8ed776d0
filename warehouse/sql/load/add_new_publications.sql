-- grain: one publication of `changed` that the marts do not have: it is new to the lake, so no snapshot of it is known
-- params: none; reads `new_publications`
-- With these rows its snapshots continue from nothing, like those of a publication that was loaded before them.
INSERT INTO newest_known BY NAME
SELECT workspace_id, publication_id, post_id, account_id, platform, origin, kind, published_at
FROM changed
WHERE publication_id IN (FROM new_publications)
