-- grain: one row per finding of `found` that is not in the lake yet
-- params: run_id, found_at
INSERT INTO quality.findings BY NAME
SELECT found.*, $run_id::VARCHAR AS run_id, $found_at::TIMESTAMPTZ AS found_at
FROM found
WHERE NOT EXISTS (
  FROM quality.findings AS held
  WHERE held.account_id = found.account_id
    AND held.publication_id IS NOT DISTINCT FROM found.publication_id
    AND held.check_name = found.check_name
    AND held.captured_at = found.captured_at
    AND held.metric = found.metric
)
