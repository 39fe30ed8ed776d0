-- Posts at equal ages, posts over all their accounts, and slots of the week; kept up as the other marts are.

-- A counter on the straight line between two snapshots, to the nearest whole number; share = how far along.
-- Where there is no snapshot before, the line starts from 0 at the publishing.
CREATE MACRO on_line(from_zero, before, after, share) AS
  round(CASE WHEN from_zero THEN after * share ELSE before + (after - before) * share END)::BIGINT;

CREATE TABLE marts.publication_at_age (
  workspace_id VARCHAR NOT NULL,
  publication_id VARCHAR NOT NULL,
  post_id VARCHAR NOT NULL,
  account_id VARCHAR NOT NULL,
  platform VARCHAR NOT NULL,
  published_at TIMESTAMPTZ NOT NULL,
  age_hours INTEGER NOT NULL,
  before_hours DOUBLE,
  after_hours DOUBLE,
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
COMMENT ON TABLE marts.publication_at_age IS 'Grain: one publication and one of the ages 1, 24, 168 and 720 hours (publication_id, age_hours). Counters at that age, on the straight line between the snapshots just before and just after it (publishing itself counts as 0 at age 0); NULL unless both are there and the nearer one is within a quarter of the age.';
COMMENT ON COLUMN marts.publication_at_age.workspace_id IS 'Tenant.';
COMMENT ON COLUMN marts.publication_at_age.publication_id IS 'Key into dims.publications.';
COMMENT ON COLUMN marts.publication_at_age.post_id IS 'The post.';
COMMENT ON COLUMN marts.publication_at_age.account_id IS 'Key into dims.accounts.';
COMMENT ON COLUMN marts.publication_at_age.platform IS 'The account''s platform.';
COMMENT ON COLUMN marts.publication_at_age.published_at IS 'When it went out (UTC).';
COMMENT ON COLUMN marts.publication_at_age.age_hours IS 'Hours since publishing: 1, 24, 168 (7 days) or 720 (30 days).';
COMMENT ON COLUMN marts.publication_at_age.before_hours IS 'Age at the snapshot just before; 0 = publishing. NULL = not measured around this age.';
COMMENT ON COLUMN marts.publication_at_age.after_hours IS 'Age at the snapshot just after. A counter that only grows lies between its values then and before.';
COMMENT ON COLUMN marts.publication_at_age.impressions IS 'Times shown by that age. NULL = not measured around it, or not reported.';
COMMENT ON COLUMN marts.publication_at_age.reach IS 'Different people reached by that age. NULL = same.';
COMMENT ON COLUMN marts.publication_at_age.likes IS 'Likes or reactions by that age. NULL = same.';
COMMENT ON COLUMN marts.publication_at_age.comments IS 'Comments or replies by that age. NULL = same.';
COMMENT ON COLUMN marts.publication_at_age.shares IS 'Reposts and quotes by that age. NULL = same.';
COMMENT ON COLUMN marts.publication_at_age.saves IS 'Saves or bookmarks by that age. NULL = same.';
COMMENT ON COLUMN marts.publication_at_age.clicks IS 'Clicks on links by that age. NULL = same.';
COMMENT ON COLUMN marts.publication_at_age.video_views IS 'Views of the video by that age. NULL = same.';
COMMENT ON COLUMN marts.publication_at_age.engagement IS 'likes + comments + shares + saves by that age; parts not measured are left out, none measured = NULL.';

CREATE TABLE marts.post_performance (
  workspace_id VARCHAR NOT NULL,
  post_id VARCHAR NOT NULL,
  origin VARCHAR NOT NULL,
  kind VARCHAR,
  platforms VARCHAR[] NOT NULL,
  published_at TIMESTAMPTZ NOT NULL,
  month DATE NOT NULL,
  publications BIGINT NOT NULL,
  measured BIGINT NOT NULL,
  captured_at TIMESTAMPTZ,
  impressions BIGINT,
  likes BIGINT,
  comments BIGINT,
  shares BIGINT,
  saves BIGINT,
  clicks BIGINT,
  video_views BIGINT,
  engagement BIGINT,
  followers BIGINT,
  engagement_rate_impressions DOUBLE,
  engagement_rate_followers DOUBLE,
  engagement_1h BIGINT,
  engagement_24h BIGINT,
  engagement_7d BIGINT,
  engagement_30d BIGINT,
  rank_24h BIGINT
);
COMMENT ON TABLE marts.post_performance IS 'Grain: one post over all the accounts it went to (post_id), by the newest snapshot of each publication.';
COMMENT ON COLUMN marts.post_performance.workspace_id IS 'Tenant.';
COMMENT ON COLUMN marts.post_performance.post_id IS 'The post.';
COMMENT ON COLUMN marts.post_performance.origin IS 'socialflow or external.';
COMMENT ON COLUMN marts.post_performance.kind IS 'text, link, photo or video; NULL = not known, or not the same everywhere.';
COMMENT ON COLUMN marts.post_performance.platforms IS 'The platforms it went to, in alphabetical order.';
COMMENT ON COLUMN marts.post_performance.published_at IS 'When it first went out (UTC).';
COMMENT ON COLUMN marts.post_performance.month IS 'First day of the UTC month of published_at; rank_24h compares within it.';
COMMENT ON COLUMN marts.post_performance.publications IS 'How many accounts it went to.';
COMMENT ON COLUMN marts.post_performance.measured IS 'How many of those publications have an engagement.';
COMMENT ON COLUMN marts.post_performance.captured_at IS 'When the newest of its counters were read (UTC); NULL = never.';
COMMENT ON COLUMN marts.post_performance.impressions IS 'Sum over the publications that report it; NULL = none does.';
COMMENT ON COLUMN marts.post_performance.likes IS 'Sum over the publications that report it; NULL = none does.';
COMMENT ON COLUMN marts.post_performance.comments IS 'Sum over the publications that report it; NULL = none does.';
COMMENT ON COLUMN marts.post_performance.shares IS 'Sum over the publications that report it; NULL = none does.';
COMMENT ON COLUMN marts.post_performance.saves IS 'Sum over the publications that report it; NULL = none does.';
COMMENT ON COLUMN marts.post_performance.clicks IS 'Sum over the publications that report it; NULL = none does.';
COMMENT ON COLUMN marts.post_performance.video_views IS 'Sum over the publications that report it; NULL = none does.';
COMMENT ON COLUMN marts.post_performance.engagement IS 'Sum of the publications'' engagement; NULL = none was measured.';
COMMENT ON COLUMN marts.post_performance.followers IS 'Sum of the accounts'' followers: of each the last count of the day of publishing, else of the last counted day before; NULL = none was counted by then.';
COMMENT ON COLUMN marts.post_performance.engagement_rate_impressions IS 'Engagement per time shown (0.02 = 2 %), over the publications with both; NULL = none.';
COMMENT ON COLUMN marts.post_performance.engagement_rate_followers IS 'Engagement per follower (0.02 = 2 %), over the publications with both; NULL = none.';
COMMENT ON COLUMN marts.post_performance.engagement_1h IS 'Engagement one hour after publishing, as in publication_at_age; NULL where a publication that is measured at all was not measured around that age.';
COMMENT ON COLUMN marts.post_performance.engagement_24h IS 'The same a day after publishing.';
COMMENT ON COLUMN marts.post_performance.engagement_7d IS 'The same seven days after publishing.';
COMMENT ON COLUMN marts.post_performance.engagement_30d IS 'The same thirty days after publishing.';
COMMENT ON COLUMN marts.post_performance.rank_24h IS 'Place among the workspace''s posts of the same month by engagement_24h: 1 = best, equals share a place; NULL where that is NULL.';

CREATE TABLE marts.slot_engagement (
  workspace_id VARCHAR NOT NULL,
  account_id VARCHAR NOT NULL,
  platform VARCHAR NOT NULL,
  timezone VARCHAR NOT NULL,
  weekday INTEGER NOT NULL,
  hour INTEGER NOT NULL,
  publications BIGINT NOT NULL,
  measured BIGINT NOT NULL,
  engagement BIGINT,
  engagement_mean DOUBLE,
  engagement_median DOUBLE,
  measured_24h BIGINT NOT NULL,
  engagement_24h_mean DOUBLE,
  measured_7d BIGINT NOT NULL,
  engagement_7d_mean DOUBLE
);
COMMENT ON TABLE marts.slot_engagement IS 'Grain: one account and one hour of its week in which it published (account_id, weekday, hour). What was, not what to expect: for that see optimal_times.';
COMMENT ON COLUMN marts.slot_engagement.workspace_id IS 'Tenant.';
COMMENT ON COLUMN marts.slot_engagement.account_id IS 'Key into dims.accounts.';
COMMENT ON COLUMN marts.slot_engagement.platform IS 'The account''s platform.';
COMMENT ON COLUMN marts.slot_engagement.timezone IS 'IANA zone that weekday and hour are in: the account''s own; UTC where dims.accounts names none.';
COMMENT ON COLUMN marts.slot_engagement.weekday IS '0 = Monday, local, by published_at.';
COMMENT ON COLUMN marts.slot_engagement.hour IS '0-23, local, by published_at.';
COMMENT ON COLUMN marts.slot_engagement.publications IS 'Publications in this slot.';
COMMENT ON COLUMN marts.slot_engagement.measured IS 'Those of them with an engagement.';
COMMENT ON COLUMN marts.slot_engagement.engagement IS 'Sum of their newest engagement; posts of different ages. NULL = none measured.';
COMMENT ON COLUMN marts.slot_engagement.engagement_mean IS 'Mean of their newest engagement; NULL = none measured.';
COMMENT ON COLUMN marts.slot_engagement.engagement_median IS 'Median of their newest engagement; NULL = none measured.';
COMMENT ON COLUMN marts.slot_engagement.measured_24h IS 'Publications with an engagement at the age of 24 hours.';
COMMENT ON COLUMN marts.slot_engagement.engagement_24h_mean IS 'Mean engagement at the age of 24 hours, which compares like with like; NULL = none measured.';
COMMENT ON COLUMN marts.slot_engagement.measured_7d IS 'Publications with an engagement at the age of 7 days.';
COMMENT ON COLUMN marts.slot_engagement.engagement_7d_mean IS 'Mean engagement at the age of 7 days; NULL = none measured.';
