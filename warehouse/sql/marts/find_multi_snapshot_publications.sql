-- grain: one publication, not recomputed, with more than one new snapshot after its newest known one
-- params: none; reads `touched_publications`, `recomputed_publications`
CREATE OR REPLACE TEMP TABLE multi_snapshot_publications AS
SELECT publication_id
FROM touched_publications
WHERE snapshots > 1 AND publication_id NOT IN (FROM recomputed_publications)
