-- grain: one publication that goes on from its newest known snapshot with more than one new one
-- params: none; reads `touched_publications`, `recounted`
CREATE OR REPLACE TEMP TABLE several AS
SELECT publication_id
FROM touched_publications
WHERE snapshots > 1 AND publication_id NOT IN (FROM recounted)
