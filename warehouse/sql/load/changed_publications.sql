-- grain: one row per publication of `batch` that the lake does not hold in just this form
-- params: none
CREATE OR REPLACE TEMP TABLE changed AS
SELECT publication_id, post_id, workspace_id, account_id, platform, origin, kind, published_at, permalink, text
FROM (SELECT DISTINCT ON (publication_id) * FROM batch)
EXCEPT
SELECT publication_id, post_id, workspace_id, account_id, platform, origin, kind, published_at, permalink, text
FROM dims.publications
WHERE publication_id IN (SELECT publication_id FROM batch)
