-- What the snapshots are about. No credential, key or token is ever a column here.
CREATE SCHEMA dims;

CREATE TABLE dims.accounts (
  account_id VARCHAR NOT NULL,
  workspace_id VARCHAR NOT NULL,
  platform VARCHAR NOT NULL,
  handle VARCHAR NOT NULL,
  display_name VARCHAR,
  timezone VARCHAR
);
COMMENT ON TABLE dims.accounts IS 'Grain: one account on a platform (account_id), as last known.';
COMMENT ON COLUMN dims.accounts.account_id IS 'SocialFlow''s id of the account.';
COMMENT ON COLUMN dims.accounts.workspace_id IS 'Tenant.';
COMMENT ON COLUMN dims.accounts.platform IS 'twitter, instagram, facebook, mastodon, bluesky, ...';
COMMENT ON COLUMN dims.accounts.handle IS 'The account''s name on the platform.';
COMMENT ON COLUMN dims.accounts.display_name IS 'The name shown to people.';
COMMENT ON COLUMN dims.accounts.timezone IS 'IANA zone of the audience; NULL = the workspace''s.';

CREATE TABLE dims.publications (
  publication_id VARCHAR NOT NULL,
  post_id VARCHAR NOT NULL,
  workspace_id VARCHAR NOT NULL,
  account_id VARCHAR NOT NULL,
  platform VARCHAR NOT NULL,
  origin VARCHAR NOT NULL,
  kind VARCHAR,
  published_at TIMESTAMPTZ NOT NULL,
  permalink VARCHAR,
  text VARCHAR
);
COMMENT ON TABLE dims.publications IS 'Grain: one published post on one account (publication_id), as last known.';
COMMENT ON COLUMN dims.publications.publication_id IS 'SocialFlow''s id of the post on this account.';
COMMENT ON COLUMN dims.publications.post_id IS 'The post; one post may have a publication on each of several accounts.';
COMMENT ON COLUMN dims.publications.workspace_id IS 'Tenant.';
COMMENT ON COLUMN dims.publications.account_id IS 'Key into dims.accounts.';
COMMENT ON COLUMN dims.publications.platform IS 'The account''s platform.';
COMMENT ON COLUMN dims.publications.origin IS 'socialflow = published by us; external = found in the account''s history or a file.';
COMMENT ON COLUMN dims.publications.kind IS 'text, link, photo or video.';
COMMENT ON COLUMN dims.publications.published_at IS 'When it went out (UTC).';
COMMENT ON COLUMN dims.publications.permalink IS 'Its public address, where known.';
COMMENT ON COLUMN dims.publications.text IS 'What it says, where known.';
