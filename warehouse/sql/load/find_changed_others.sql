-- grain: one publication of `changed` whose marts cannot be made with the snapshots of `batch` alone
-- params: none
-- Those that the marts have already, and those without a snapshot in `batch`.
CREATE OR REPLACE TEMP TABLE changed_others AS
SELECT publication_id
FROM changed
WHERE publication_id NOT IN (SELECT publication_id FROM batch)
   OR publication_id IN (
     SELECT publication_id
     FROM marts.publication_latest
     WHERE publication_id IN (SELECT publication_id FROM changed)
   )
