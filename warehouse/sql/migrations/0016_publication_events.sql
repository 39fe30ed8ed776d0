-- The ledger of publications that ended long ago, moved here from the operational store.
CREATE TABLE raw.publication_events (
  workspace_id VARCHAR NOT NULL,
  publication_id VARCHAR NOT NULL,
  seq BIGINT NOT NULL,
  attempt BIGINT NOT NULL,
  event VARCHAR NOT NULL,
  "at" TIMESTAMPTZ NOT NULL,
  payload_hash VARCHAR NOT NULL,
  owner VARCHAR,
  detail VARCHAR NOT NULL,
  prev_hash VARCHAR NOT NULL,
  hash VARCHAR NOT NULL
);
COMMENT ON TABLE raw.publication_events IS 'Grain: one event of a publication (publication_id, seq) that ended more than SOCIALFLOW_ARCHIVE_AFTER ago. Newer events are in the operational store.';
COMMENT ON COLUMN raw.publication_events.workspace_id IS 'Tenant.';
COMMENT ON COLUMN raw.publication_events.publication_id IS 'The publication.';
COMMENT ON COLUMN raw.publication_events.seq IS 'Number of the event within its publication, from 1.';
COMMENT ON COLUMN raw.publication_events.attempt IS 'Attempts at sending so far.';
COMMENT ON COLUMN raw.publication_events.event IS 'What happened: scheduled, claimed, sending, published ...';
COMMENT ON COLUMN raw.publication_events."at" IS 'When (UTC).';
COMMENT ON COLUMN raw.publication_events.payload_hash IS 'SHA-256 (hex) of the content at that time.';
COMMENT ON COLUMN raw.publication_events.owner IS 'Lease name of the publisher. NULL = not by a publisher.';
COMMENT ON COLUMN raw.publication_events.detail IS 'Codes, messages and ids, as JSON.';
COMMENT ON COLUMN raw.publication_events.prev_hash IS 'Hash of the event before it; empty for the first.';
COMMENT ON COLUMN raw.publication_events.hash IS 'SHA-256 (hex) of this row and of prev_hash.';
