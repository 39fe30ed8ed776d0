-- grain: one publication of `touched_publications` that the marts know, as its newest snapshot left it
-- params: none
CREATE OR REPLACE TEMP TABLE newest_known AS
FROM marts.publication_latest
WHERE publication_id IN (SELECT publication_id FROM touched_publications)
