-- What the platforms answered and what files said: cumulative counters, append-only, as received.
CREATE TABLE schema_version (version INTEGER NOT NULL, name VARCHAR NOT NULL, applied_at TIMESTAMPTZ NOT NULL);
COMMENT ON TABLE schema_version IS 'Grain: one applied migration. The highest version tells which SocialFlow can use this lake.';
COMMENT ON COLUMN schema_version.version IS 'Number of the migration.';
COMMENT ON COLUMN schema_version.name IS 'Its name.';
COMMENT ON COLUMN schema_version.applied_at IS 'When it was applied (UTC).';

-- The one definition of engagement. Parts that were not measured are left out; none measured gives NULL.
CREATE MACRO engagement(likes, comments, shares, saves) AS
  CASE WHEN coalesce(likes, comments, shares, saves) IS NOT NULL
       THEN coalesce(likes, 0) + coalesce(comments, 0) + coalesce(shares, 0) + coalesce(saves, 0) END;

CREATE SCHEMA raw;

CREATE TABLE raw.post_snapshots (
  workspace_id VARCHAR NOT NULL,
  publication_id VARCHAR NOT NULL,
  account_id VARCHAR NOT NULL,
  published_at TIMESTAMPTZ NOT NULL,
  captured_at TIMESTAMPTZ NOT NULL,
  impressions BIGINT,
  reach BIGINT,
  likes BIGINT,
  comments BIGINT,
  shares BIGINT,
  saves BIGINT,
  clicks BIGINT,
  video_views BIGINT,
  source VARCHAR NOT NULL,
  run_id VARCHAR NOT NULL,
  loaded_at TIMESTAMPTZ NOT NULL,
  raw VARCHAR
);
COMMENT ON TABLE raw.post_snapshots IS 'Grain: one publication at one moment (publication_id, captured_at). Cumulative counters as the platform gave them; rows are only ever added. A correction is a later row.';
COMMENT ON COLUMN raw.post_snapshots.workspace_id IS 'Tenant.';
COMMENT ON COLUMN raw.post_snapshots.publication_id IS 'A post on one account; key into dims.publications.';
COMMENT ON COLUMN raw.post_snapshots.account_id IS 'Key into dims.accounts.';
COMMENT ON COLUMN raw.post_snapshots.published_at IS 'When the publication went out (UTC).';
COMMENT ON COLUMN raw.post_snapshots.captured_at IS 'When the counters were read (UTC).';
COMMENT ON COLUMN raw.post_snapshots.impressions IS 'Times shown. NULL = not reported.';
COMMENT ON COLUMN raw.post_snapshots.reach IS 'Different people reached. NULL = not reported.';
COMMENT ON COLUMN raw.post_snapshots.likes IS 'Likes or reactions. NULL = not reported.';
COMMENT ON COLUMN raw.post_snapshots.comments IS 'Comments or replies. NULL = not reported.';
COMMENT ON COLUMN raw.post_snapshots.shares IS 'Reposts and quotes. NULL = not reported.';
COMMENT ON COLUMN raw.post_snapshots.saves IS 'Saves or bookmarks. NULL = not reported.';
COMMENT ON COLUMN raw.post_snapshots.clicks IS 'Clicks on links. NULL = not reported.';
COMMENT ON COLUMN raw.post_snapshots.video_views IS 'Views of the video, by the platform''s own rule. NULL = not reported.';
COMMENT ON COLUMN raw.post_snapshots.source IS 'platform = read from the platform; import = taken from a history file.';
COMMENT ON COLUMN raw.post_snapshots.run_id IS 'The run that loaded the row.';
COMMENT ON COLUMN raw.post_snapshots.loaded_at IS 'When the row entered the lake (UTC).';
COMMENT ON COLUMN raw.post_snapshots.raw IS 'The platform''s answer for this post as JSON text; NULL for imported rows.';

CREATE TABLE raw.account_snapshots (
  workspace_id VARCHAR NOT NULL,
  account_id VARCHAR NOT NULL,
  captured_at TIMESTAMPTZ NOT NULL,
  followers BIGINT,
  following BIGINT,
  posts BIGINT,
  run_id VARCHAR NOT NULL,
  loaded_at TIMESTAMPTZ NOT NULL,
  raw VARCHAR
);
COMMENT ON TABLE raw.account_snapshots IS 'Grain: one account at one moment (account_id, captured_at). Rows are only ever added.';
COMMENT ON COLUMN raw.account_snapshots.workspace_id IS 'Tenant.';
COMMENT ON COLUMN raw.account_snapshots.account_id IS 'Key into dims.accounts.';
COMMENT ON COLUMN raw.account_snapshots.captured_at IS 'When the counts were read (UTC).';
COMMENT ON COLUMN raw.account_snapshots.followers IS 'Followers at that moment. NULL = not reported.';
COMMENT ON COLUMN raw.account_snapshots.following IS 'Accounts followed at that moment. NULL = not reported.';
COMMENT ON COLUMN raw.account_snapshots.posts IS 'The platform''s own count of posts. NULL = not reported.';
COMMENT ON COLUMN raw.account_snapshots.run_id IS 'The run that loaded the row.';
COMMENT ON COLUMN raw.account_snapshots.loaded_at IS 'When the row entered the lake (UTC).';
COMMENT ON COLUMN raw.account_snapshots.raw IS 'The platform''s answer as JSON text.';
