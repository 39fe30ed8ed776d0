-- grain: the dimension row of each publication in `recounted` that has one
-- params: none
INSERT INTO described BY NAME
SELECT workspace_id, publication_id, post_id, account_id, platform, origin, kind, published_at
FROM dims.publications
WHERE publication_id IN (SELECT publication_id FROM recounted)
