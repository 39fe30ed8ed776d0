-- grain: one row of `batch` that is later than every snapshot of its publication in the lake
-- params: run_id, source, loaded_at; reads `newest_known`
-- These rows are new without a check of raw, because publication_latest changes in the same transactions as raw.
CREATE OR REPLACE TEMP TABLE added AS
SELECT
  batch.*,
  $source::VARCHAR AS source,
  $run_id::VARCHAR AS run_id,
  $loaded_at::TIMESTAMPTZ AS loaded_at
FROM batch
JOIN (SELECT publication_id, captured_at AS known_at FROM newest_known) AS known
  ON known.publication_id = batch.publication_id AND (known_at IS NULL OR batch.captured_at > known_at)
