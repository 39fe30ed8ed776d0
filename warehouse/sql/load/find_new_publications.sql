-- grain: one publication of `changed` and `touched_publications` that the marts do not have
-- params: none; reads `newest_known`
CREATE OR REPLACE TEMP TABLE new_publications AS
SELECT publication_id
FROM changed
WHERE publication_id NOT IN (SELECT publication_id FROM newest_known)
  AND publication_id IN (SELECT publication_id FROM touched_publications)
