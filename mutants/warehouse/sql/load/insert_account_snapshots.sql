-- grain: one row per new (account_id, captured_at) of `batch`; keys already in the lake are left out
-- params: run_id, loaded_at; first, last = the range of captured_at in the batch (prunes old files)
CREATE OR REPLACE TEMP TABLE added AS
SELECT batch.*, $run_id::VARCHAR AS run_id, $loaded_at::TIMESTAMPTZ AS loaded_at
FROM (SELECT DISTINCT ON (account_id, captured_at) * FROM batch) AS batch
ANTI JOIN (
  SELECT account_id, captured_at
  FROM raw.account_snapshots
  WHERE captured_at BETWEEN $first::TIMESTAMPTZ AND $last::TIMESTAMPTZ
) AS known USING (account_id, captured_at)
