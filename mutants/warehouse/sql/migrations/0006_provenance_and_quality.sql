-- Which API answered, and what looked wrong about the answer.
ALTER TABLE raw.post_snapshots ADD COLUMN api_version VARCHAR;
COMMENT ON COLUMN raw.post_snapshots.api_version IS 'Version of the platform''s API that answered, such as v25.0; NULL for imported rows and for rows from before it was kept.';
COMMENT ON COLUMN raw.post_snapshots.raw IS 'The platform''s answer for this post as JSON text; NULL for imported rows, and once it is older than SOCIALFLOW_KEEP_RAW_PAYLOADS.';
ALTER TABLE raw.account_snapshots ADD COLUMN api_version VARCHAR;
COMMENT ON COLUMN raw.account_snapshots.api_version IS 'Version of the platform''s API that answered, such as v25.0; NULL for rows from before it was kept.';
COMMENT ON COLUMN raw.account_snapshots.raw IS 'The platform''s answer as JSON text; NULL once it is older than SOCIALFLOW_KEEP_RAW_PAYLOADS.';

CREATE SCHEMA quality;

CREATE TABLE quality.findings (
  workspace_id VARCHAR NOT NULL,
  account_id VARCHAR NOT NULL,
  publication_id VARCHAR,
  check_name VARCHAR NOT NULL,
  severity VARCHAR NOT NULL,
  captured_at TIMESTAMPTZ NOT NULL,
  metric VARCHAR NOT NULL,
  value BIGINT,
  compared_with BIGINT,
  run_id VARCHAR NOT NULL,
  found_at TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE quality.findings IS 'Grain: one check that a snapshot did not pass, for one metric (account_id, publication_id, check_name, captured_at, metric). The snapshot itself stays in raw as it came.';
COMMENT ON COLUMN quality.findings.workspace_id IS 'Tenant.';
COMMENT ON COLUMN quality.findings.account_id IS 'Key into dims.accounts.';
COMMENT ON COLUMN quality.findings.publication_id IS 'Key into dims.publications; NULL where an account''s own count is meant.';
COMMENT ON COLUMN quality.findings.check_name IS 'counter_fell, negative, reach_above_impressions, impressions_doubled, followers_jumped or account_silent.';
COMMENT ON COLUMN quality.findings.severity IS 'failed = cannot be true, the run is marked; warning = can be true, but look.';
COMMENT ON COLUMN quality.findings.captured_at IS 'captured_at of the snapshot; for account_silent the last one before the silence (UTC).';
COMMENT ON COLUMN quality.findings.metric IS 'Which counter.';
COMMENT ON COLUMN quality.findings.value IS 'What it says.';
COMMENT ON COLUMN quality.findings.compared_with IS 'What it was held against: the snapshot before, the impressions, the limit in hours.';
COMMENT ON COLUMN quality.findings.run_id IS 'The run whose load brought it.';
COMMENT ON COLUMN quality.findings.found_at IS 'When the check ran (UTC).';
