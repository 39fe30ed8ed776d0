-- grain: the dimension row of each publication in `touched_publications` that has one
-- params: none
CREATE OR REPLACE TEMP TABLE touched_dims AS
SELECT workspace_id, publication_id, post_id, account_id, platform, origin, kind, published_at
FROM dims.publications
WHERE publication_id IN (SELECT publication_id FROM touched_publications)
