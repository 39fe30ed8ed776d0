-- grain: one publication of `touched_publications` in the marts, with its newest known snapshot
-- params: none
CREATE OR REPLACE TEMP TABLE newest_known AS
FROM marts.publication_latest
WHERE publication_id IN (SELECT publication_id FROM touched_publications)
