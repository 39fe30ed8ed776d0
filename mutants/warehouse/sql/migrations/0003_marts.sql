-- Small tables kept up at load time; `warehouse.lake.load.rebuild_marts` makes the same from raw.
CREATE SCHEMA marts;

CREATE TABLE marts.publication_latest (
  workspace_id VARCHAR NOT NULL,
  publication_id VARCHAR NOT NULL,
  post_id VARCHAR NOT NULL,
  account_id VARCHAR NOT NULL,
  platform VARCHAR NOT NULL,
  origin VARCHAR NOT NULL,
  kind VARCHAR,
  published_at TIMESTAMPTZ NOT NULL,
  captured_at TIMESTAMPTZ,
  age_hours DOUBLE,
  impressions BIGINT,
  reach BIGINT,
  likes BIGINT,
  comments BIGINT,
  shares BIGINT,
  saves BIGINT,
  clicks BIGINT,
  video_views BIGINT,
  engagement BIGINT
);
COMMENT ON TABLE marts.publication_latest IS 'Grain: one publication (publication_id) with its newest snapshot; metrics are NULL until it is measured.';
COMMENT ON COLUMN marts.publication_latest.workspace_id IS 'Tenant.';
COMMENT ON COLUMN marts.publication_latest.publication_id IS 'Key into dims.publications.';
COMMENT ON COLUMN marts.publication_latest.post_id IS 'The post.';
COMMENT ON COLUMN marts.publication_latest.account_id IS 'Key into dims.accounts.';
COMMENT ON COLUMN marts.publication_latest.platform IS 'The account''s platform.';
COMMENT ON COLUMN marts.publication_latest.origin IS 'socialflow or external.';
COMMENT ON COLUMN marts.publication_latest.kind IS 'text, link, photo or video.';
COMMENT ON COLUMN marts.publication_latest.published_at IS 'When it went out (UTC).';
COMMENT ON COLUMN marts.publication_latest.captured_at IS 'When its newest counters were read (UTC); NULL = never.';
COMMENT ON COLUMN marts.publication_latest.age_hours IS 'Hours from publishing to captured_at.';
COMMENT ON COLUMN marts.publication_latest.impressions IS 'Times shown. NULL = not reported.';
COMMENT ON COLUMN marts.publication_latest.reach IS 'Different people reached. NULL = not reported.';
COMMENT ON COLUMN marts.publication_latest.likes IS 'Likes or reactions. NULL = not reported.';
COMMENT ON COLUMN marts.publication_latest.comments IS 'Comments or replies. NULL = not reported.';
COMMENT ON COLUMN marts.publication_latest.shares IS 'Reposts and quotes. NULL = not reported.';
COMMENT ON COLUMN marts.publication_latest.saves IS 'Saves or bookmarks. NULL = not reported.';
COMMENT ON COLUMN marts.publication_latest.clicks IS 'Clicks on links. NULL = not reported.';
COMMENT ON COLUMN marts.publication_latest.video_views IS 'Views of the video. NULL = not reported.';
COMMENT ON COLUMN marts.publication_latest.engagement IS 'likes + comments + shares + saves; parts not measured are left out, none measured = NULL.';

CREATE TABLE marts.engagement_daily (
  workspace_id VARCHAR NOT NULL,
  account_id VARCHAR NOT NULL,
  publication_id VARCHAR NOT NULL,
  day DATE NOT NULL,
  counted_from TIMESTAMPTZ NOT NULL,
  counted_to TIMESTAMPTZ NOT NULL,
  gain BIGINT NOT NULL,
  correction BIGINT NOT NULL
);
COMMENT ON TABLE marts.engagement_daily IS 'Grain: one publication and one UTC day on which it was measured (publication_id, day). gain and correction over all days add up to its newest engagement.';
COMMENT ON COLUMN marts.engagement_daily.workspace_id IS 'Tenant.';
COMMENT ON COLUMN marts.engagement_daily.account_id IS 'Key into dims.accounts.';
COMMENT ON COLUMN marts.engagement_daily.publication_id IS 'Key into dims.publications.';
COMMENT ON COLUMN marts.engagement_daily.day IS 'UTC day on which the counters were read.';
COMMENT ON COLUMN marts.engagement_daily.counted_from IS 'The measurement before this day, or the publishing: the gain was earned from here ...';
COMMENT ON COLUMN marts.engagement_daily.counted_to IS '... to here, the day''s last measurement (UTC). Far apart = the gain is of several days.';
COMMENT ON COLUMN marts.engagement_daily.gain IS 'Engagement earned; never negative.';
COMMENT ON COLUMN marts.engagement_daily.correction IS 'What the platform took back (counters that fell); never positive.';

CREATE TABLE marts.account_daily (
  workspace_id VARCHAR NOT NULL,
  account_id VARCHAR NOT NULL,
  day DATE NOT NULL,
  captured_at TIMESTAMPTZ NOT NULL,
  followers BIGINT,
  following BIGINT,
  posts BIGINT,
  follower_growth BIGINT
);
COMMENT ON TABLE marts.account_daily IS 'Grain: one account and one UTC day on which it was measured (account_id, day).';
COMMENT ON COLUMN marts.account_daily.workspace_id IS 'Tenant.';
COMMENT ON COLUMN marts.account_daily.account_id IS 'Key into dims.accounts.';
COMMENT ON COLUMN marts.account_daily.day IS 'UTC day.';
COMMENT ON COLUMN marts.account_daily.captured_at IS 'The day''s last measurement (UTC).';
COMMENT ON COLUMN marts.account_daily.followers IS 'The day''s last count of followers. NULL = not reported.';
COMMENT ON COLUMN marts.account_daily.following IS 'The day''s last count of accounts followed. NULL = not reported.';
COMMENT ON COLUMN marts.account_daily.posts IS 'The day''s last count of posts by the platform. NULL = not reported.';
COMMENT ON COLUMN marts.account_daily.follower_growth IS 'followers minus the last count of an earlier day; NULL for the first.';

CREATE TABLE marts.optimal_times (
  workspace_id VARCHAR NOT NULL,
  account_id VARCHAR NOT NULL,
  platform VARCHAR NOT NULL,
  timezone VARCHAR NOT NULL,
  weekday INTEGER NOT NULL,
  hour INTEGER NOT NULL,
  expected_lift DOUBLE NOT NULL,
  lift_low DOUBLE NOT NULL,
  lift_high DOUBLE NOT NULL,
  p_better DOUBLE NOT NULL,
  n_posts BIGINT NOT NULL,
  n_nearby BIGINT NOT NULL,
  basis VARCHAR NOT NULL,
  confidence VARCHAR NOT NULL,
  score DOUBLE NOT NULL,
  account_posts BIGINT NOT NULL,
  model_version VARCHAR NOT NULL,
  computed_at TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE marts.optimal_times IS 'Grain: one account and one of the 168 hours of its week (account_id, weekday, hour). Association, not proof.';
COMMENT ON COLUMN marts.optimal_times.workspace_id IS 'Tenant.';
COMMENT ON COLUMN marts.optimal_times.account_id IS 'Key into dims.accounts.';
COMMENT ON COLUMN marts.optimal_times.platform IS 'The account''s platform.';
COMMENT ON COLUMN marts.optimal_times.timezone IS 'IANA zone that weekday and hour are in.';
COMMENT ON COLUMN marts.optimal_times.weekday IS '0 = Monday, local.';
COMMENT ON COLUMN marts.optimal_times.hour IS '0-23, local.';
COMMENT ON COLUMN marts.optimal_times.expected_lift IS 'Expected engagement against the account''s usual times, as a fraction (0.14 = 14 % more).';
COMMENT ON COLUMN marts.optimal_times.lift_low IS 'Lower end of the 80 % range.';
COMMENT ON COLUMN marts.optimal_times.lift_high IS 'Upper end of the 80 % range.';
COMMENT ON COLUMN marts.optimal_times.p_better IS 'Probability that the slot beats the account''s usual times.';
COMMENT ON COLUMN marts.optimal_times.n_posts IS 'The account''s posts in this slot.';
COMMENT ON COLUMN marts.optimal_times.n_nearby IS 'Its other posts at similar hours.';
COMMENT ON COLUMN marts.optimal_times.basis IS 'own, mixed or prior: what the estimate rests on.';
COMMENT ON COLUMN marts.optimal_times.confidence IS 'high, medium, low or none (no reliable timing effect).';
COMMENT ON COLUMN marts.optimal_times.score IS '0 = the account''s worst slot, 100 = its best.';
COMMENT ON COLUMN marts.optimal_times.account_posts IS 'All posts of the account that the estimate used.';
COMMENT ON COLUMN marts.optimal_times.model_version IS 'Version of the timing model.';
COMMENT ON COLUMN marts.optimal_times.computed_at IS 'When it was computed (UTC).';
