-- How often to post, and which kinds and lengths do better.
CREATE TABLE marts.posting_habits (
  workspace_id VARCHAR NOT NULL,
  account_id VARCHAR NOT NULL,
  platform VARCHAR NOT NULL,
  subject VARCHAR NOT NULL,
  label VARCHAR NOT NULL,
  n_posts BIGINT NOT NULL,
  effect DOUBLE NOT NULL,
  low DOUBLE NOT NULL,
  high DOUBLE NOT NULL,
  known BOOLEAN NOT NULL,
  computed_at TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE marts.posting_habits IS 'Grain: one finding about one account (account_id, subject, label). Association, not proof.';
COMMENT ON COLUMN marts.posting_habits.workspace_id IS 'Tenant.';
COMMENT ON COLUMN marts.posting_habits.account_id IS 'Key into dims.accounts.';
COMMENT ON COLUMN marts.posting_habits.platform IS 'The account''s platform.';
COMMENT ON COLUMN marts.posting_habits.subject IS 'posts_per_day, kind or length.';
COMMENT ON COLUMN marts.posting_habits.label IS 'The kind (text, link, photo, video) or length (short below 80, medium, long from 280 characters); posts_per_day again.';
COMMENT ON COLUMN marts.posting_habits.n_posts IS 'Posts of that kind or length in the last year; for posts_per_day all.';
COMMENT ON COLUMN marts.posting_habits.effect IS 'Engagement per post against the account''s other posts, as a fraction; for posts_per_day, what doubling the posts of a day goes with.';
COMMENT ON COLUMN marts.posting_habits.low IS 'Lower end of the 80 % range.';
COMMENT ON COLUMN marts.posting_habits.high IS 'Upper end of the 80 % range.';
COMMENT ON COLUMN marts.posting_habits.known IS 'Whether the direction is beyond chance, with several labels compared at once.';
COMMENT ON COLUMN marts.posting_habits.computed_at IS 'When it was computed (UTC).';
