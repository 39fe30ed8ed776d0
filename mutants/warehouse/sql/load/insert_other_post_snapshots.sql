-- grain: one other row of `batch` whose (publication_id, captured_at) is not in the lake
-- params: run_id, source, loaded_at; first, last = the range of captured_at in the batch (prunes old files)
INSERT INTO added
WITH others AS (
  SELECT
    batch.*,
    $source::VARCHAR AS source,
    $run_id::VARCHAR AS run_id,
    $loaded_at::TIMESTAMPTZ AS loaded_at
  FROM batch
  ANTI JOIN added USING (publication_id, captured_at)
)
SELECT others.*
FROM others
ANTI JOIN (
  SELECT publication_id, captured_at
  FROM raw.post_snapshots
  WHERE captured_at BETWEEN $first::TIMESTAMPTZ AND $last::TIMESTAMPTZ
    AND publication_id IN (SELECT publication_id FROM others)
) AS known USING (publication_id, captured_at)
