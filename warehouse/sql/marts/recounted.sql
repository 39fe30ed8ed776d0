-- grain: one publication of `touched_publications` that is made again from all its snapshots
-- params: none
CREATE OR REPLACE TEMP TABLE recounted AS
FROM touched_publications
ANTI JOIN continued USING (publication_id)
