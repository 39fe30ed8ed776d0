-- grain: one row per new (publication_id, captured_at) of `batch`; keys already in the lake are left out
-- params: run_id, source, loaded_at; first, last = the range of captured_at in the batch (prunes old files)
INSERT INTO raw.post_snapshots BY NAME
SELECT
  batch.*,
  $source::VARCHAR AS source,
  $run_id::VARCHAR AS run_id,
  $loaded_at::TIMESTAMPTZ AS loaded_at
FROM (SELECT DISTINCT ON (publication_id, captured_at) * FROM batch) AS batch
ANTI JOIN (
  SELECT publication_id, captured_at
  FROM raw.post_snapshots
  WHERE captured_at BETWEEN $first::TIMESTAMPTZ AND $last::TIMESTAMPTZ
) AS known USING (publication_id, captured_at)
