-- grain: one row of `archived` that is not in the lake yet
-- params: none
INSERT INTO raw.publication_events BY NAME
SELECT archived.*
FROM archived
ANTI JOIN (
  SELECT publication_id, seq
  FROM raw.publication_events
  WHERE publication_id IN (SELECT publication_id FROM archived)
) AS known USING (publication_id, seq)
