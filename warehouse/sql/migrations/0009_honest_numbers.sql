-- Numbers at equal ages between two real snapshots, with estimates in columns of their own; believable followers; one
-- time zone per account. The marts are rebuilt after the migration.

-- A counter on the straight line between two snapshots, to a 1024th: rounded only when it is shown, and sums of such
-- numbers are exact in any order. Where there is no snapshot before, the line starts from 0 at the publishing.
CREATE OR REPLACE MACRO on_line(from_zero, before, after, share) AS
  CASE WHEN from_zero THEN after * share ELSE before + (after - before) * share END;
CREATE MACRO to_1024th(value) AS round(value * 1024) / 1024;

DROP TABLE marts.publication_at_age;

CREATE TABLE marts.publication_at_age (
  workspace_id VARCHAR NOT NULL,
  publication_id VARCHAR NOT NULL,
  post_id VARCHAR NOT NULL,
  account_id VARCHAR NOT NULL,
  platform VARCHAR NOT NULL,
  published_at TIMESTAMPTZ NOT NULL,
  age_hours INTEGER NOT NULL,
  before_hours DOUBLE,
  before_engagement BIGINT,
  after_hours DOUBLE,
  after_engagement BIGINT,
  impressions DOUBLE,
  reach DOUBLE,
  likes DOUBLE,
  comments DOUBLE,
  shares DOUBLE,
  saves DOUBLE,
  clicks DOUBLE,
  video_views DOUBLE,
  engagement DOUBLE,
  engagement_estimate DOUBLE,
  estimate_low DOUBLE,
  estimate_high DOUBLE,
  estimate_basis VARCHAR,
  estimate_posts BIGINT,
  estimate_from_hours DOUBLE
);
COMMENT ON TABLE marts.publication_at_age IS 'Grain: one publication and one of the ages 1, 24, 168 and 720 hours (publication_id, age_hours). Counters at that age, on the straight line between the snapshots just before and just after it; NULL unless both exist and the nearer one is within a quarter of the age. Publishing counts as a snapshot only in the first 3 hours. Not rounded.';
COMMENT ON COLUMN marts.publication_at_age.workspace_id IS 'Tenant.';
COMMENT ON COLUMN marts.publication_at_age.publication_id IS 'Key into dims.publications.';
COMMENT ON COLUMN marts.publication_at_age.post_id IS 'The post.';
COMMENT ON COLUMN marts.publication_at_age.account_id IS 'Key into dims.accounts.';
COMMENT ON COLUMN marts.publication_at_age.platform IS 'The account''s platform.';
COMMENT ON COLUMN marts.publication_at_age.published_at IS 'When it went out (UTC).';
COMMENT ON COLUMN marts.publication_at_age.age_hours IS 'Hours since publishing: 1, 24, 168 (7 days) or 720 (30 days).';
COMMENT ON COLUMN marts.publication_at_age.before_hours IS 'Age at the snapshot just before; 0 = publishing, which counts as a snapshot of zeros in the first 3 hours only; NULL = there is none.';
COMMENT ON COLUMN marts.publication_at_age.before_engagement IS 'Engagement of that snapshot; NULL = not reported, or no snapshot.';
COMMENT ON COLUMN marts.publication_at_age.after_hours IS 'Age at the snapshot at this age or just after it; NULL = there is none yet.';
COMMENT ON COLUMN marts.publication_at_age.after_engagement IS 'Engagement of that snapshot; NULL = not reported, or no snapshot.';
COMMENT ON COLUMN marts.publication_at_age.impressions IS 'Times shown by that age; NULL = not measured around it, or not reported.';
COMMENT ON COLUMN marts.publication_at_age.reach IS 'Different people reached by that age; NULL = same.';
COMMENT ON COLUMN marts.publication_at_age.likes IS 'Likes or reactions by that age; NULL = same.';
COMMENT ON COLUMN marts.publication_at_age.comments IS 'Comments or replies by that age; NULL = same.';
COMMENT ON COLUMN marts.publication_at_age.shares IS 'Reposts and quotes by that age; NULL = same.';
COMMENT ON COLUMN marts.publication_at_age.saves IS 'Saves or bookmarks by that age; NULL = same.';
COMMENT ON COLUMN marts.publication_at_age.clicks IS 'Clicks on links by that age; NULL = same.';
COMMENT ON COLUMN marts.publication_at_age.video_views IS 'Views of the video by that age; NULL = same.';
COMMENT ON COLUMN marts.publication_at_age.engagement IS 'likes + comments + shares + saves by that age, not rounded before the sum; parts not measured are left out, none measured = NULL.';
COMMENT ON COLUMN marts.publication_at_age.engagement_estimate IS 'Estimated, not measured: engagement at this age from one snapshot at another age and marts.growth_curves. Only where engagement is NULL and the age is reached; NULL = no curve supports an estimate.';
COMMENT ON COLUMN marts.publication_at_age.estimate_low IS 'Lower end of the estimate''s 80 % range.';
COMMENT ON COLUMN marts.publication_at_age.estimate_high IS 'Upper end of the estimate''s 80 % range.';
COMMENT ON COLUMN marts.publication_at_age.estimate_basis IS 'Whose posts the curve is from: account = the account''s own; platform = the workspace''s accounts on the platform.';
COMMENT ON COLUMN marts.publication_at_age.estimate_posts IS 'Number of posts that the curve is from.';
COMMENT ON COLUMN marts.publication_at_age.estimate_from_hours IS 'Age at the snapshot that the estimate starts from.';

ALTER TABLE marts.publication_latest DROP COLUMN engagement_1h;
ALTER TABLE marts.publication_latest ADD COLUMN engagement_1h DOUBLE;
COMMENT ON COLUMN marts.publication_latest.engagement_1h IS 'Engagement one hour after publishing, as in publication_at_age, not rounded; NULL = not measured around that age. Estimates are not included.';
ALTER TABLE marts.publication_latest DROP COLUMN engagement_24h;
ALTER TABLE marts.publication_latest ADD COLUMN engagement_24h DOUBLE;
COMMENT ON COLUMN marts.publication_latest.engagement_24h IS 'The same a day after publishing.';
ALTER TABLE marts.publication_latest DROP COLUMN engagement_7d;
ALTER TABLE marts.publication_latest ADD COLUMN engagement_7d DOUBLE;
COMMENT ON COLUMN marts.publication_latest.engagement_7d IS 'The same seven days after publishing.';
ALTER TABLE marts.publication_latest DROP COLUMN engagement_30d;
ALTER TABLE marts.publication_latest ADD COLUMN engagement_30d DOUBLE;
COMMENT ON COLUMN marts.publication_latest.engagement_30d IS 'The same thirty days after publishing.';
COMMENT ON COLUMN marts.post_performance.engagement_1h IS 'Engagement one hour after publishing: the sum of its publications'' values in publication_at_age, rounded once; NULL where a publication that is measured at all was not measured around that age.';

CREATE TABLE marts.growth_curves (
  workspace_id VARCHAR NOT NULL,
  platform VARCHAR NOT NULL,
  account_id VARCHAR,
  from_hours INTEGER NOT NULL,
  age_hours INTEGER NOT NULL,
  posts BIGINT NOT NULL,
  accounts BIGINT NOT NULL,
  ratio DOUBLE NOT NULL,
  ratio_low DOUBLE NOT NULL,
  ratio_high DOUBLE NOT NULL,
  computed_at TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE marts.growth_curves IS 'Grain: one account (NULL = all accounts of the workspace on the platform) and pair of ages (workspace_id, platform, account_id, from_hours, age_hours): how much engagement posts have at one age, relative to another. From posts that were measured at both.';
COMMENT ON COLUMN marts.growth_curves.workspace_id IS 'Tenant.';
COMMENT ON COLUMN marts.growth_curves.platform IS 'The platform.';
COMMENT ON COLUMN marts.growth_curves.account_id IS 'Key into dims.accounts; NULL = all accounts of the workspace on the platform.';
COMMENT ON COLUMN marts.growth_curves.from_hours IS 'Age at the known snapshot, in hours.';
COMMENT ON COLUMN marts.growth_curves.age_hours IS 'Age of the wanted engagement, in hours: 1, 24, 168 or 720.';
COMMENT ON COLUMN marts.growth_curves.posts IS 'Number of posts that were measured at both ages.';
COMMENT ON COLUMN marts.growth_curves.accounts IS 'Number of accounts that these posts are from.';
COMMENT ON COLUMN marts.growth_curves.ratio IS 'Median of engagement at age_hours divided by engagement at from_hours.';
COMMENT ON COLUMN marts.growth_curves.ratio_low IS 'Lower end of the range that contains the ratio of another such post with a probability of at least 80 %.';
COMMENT ON COLUMN marts.growth_curves.ratio_high IS 'Upper end of that range.';
COMMENT ON COLUMN marts.growth_curves.computed_at IS 'When it was computed (UTC).';

CREATE TABLE marts.suspicious_counts (
  workspace_id VARCHAR NOT NULL,
  account_id VARCHAR NOT NULL,
  captured_at TIMESTAMPTZ NOT NULL,
  followers BIGINT NOT NULL,
  compared_with BIGINT NOT NULL,
  reason VARCHAR NOT NULL
);
COMMENT ON TABLE marts.suspicious_counts IS 'Grain: one count of followers that is not believed (account_id, captured_at). Growth and rates leave these counts out; raw.account_snapshots keeps them.';
COMMENT ON COLUMN marts.suspicious_counts.workspace_id IS 'Tenant.';
COMMENT ON COLUMN marts.suspicious_counts.account_id IS 'Key into dims.accounts.';
COMMENT ON COLUMN marts.suspicious_counts.captured_at IS 'captured_at of the count in raw.account_snapshots (UTC).';
COMMENT ON COLUMN marts.suspicious_counts.followers IS 'The count that is not believed.';
COMMENT ON COLUMN marts.suspicious_counts.compared_with IS 'The nearest believable count: the one before, else the one after.';
COMMENT ON COLUMN marts.suspicious_counts.reason IS 'zero = no followers beside more than 100; spike = changed by more than a third and by more than 100, and the next count is back; unconfirmed = changed so within 3 days and there is no next count yet.';

ALTER TABLE marts.account_daily ADD COLUMN suspicious BIGINT;
COMMENT ON COLUMN marts.account_daily.suspicious IS 'Number of the day''s counts of followers that are left out as suspicious: see suspicious_counts.';
COMMENT ON COLUMN marts.account_daily.followers IS 'The day''s last believable count of followers. NULL = not reported, or all suspicious.';

COMMENT ON COLUMN dims.accounts.timezone IS 'The account''s one effective IANA zone, never NULL: its own, else the workspace''s; UTC if DuckDB does not know the zone. Slots and posting times are in it.';
-- The timing run knew the workspace's zone.
UPDATE dims.accounts
SET timezone = (SELECT max(timezone) FROM marts.optimal_times AS times WHERE times.account_id = accounts.account_id)
WHERE timezone IS NULL;
UPDATE dims.accounts SET timezone = 'UTC'
WHERE timezone IS NULL OR timezone NOT IN (SELECT name FROM pg_timezone_names());
COMMENT ON COLUMN marts.slot_engagement.timezone IS 'IANA zone that weekday and hour are in: that of dims.accounts.';
COMMENT ON COLUMN marts.optimal_times.timezone IS 'IANA zone that weekday and hour are in: that of dims.accounts.';

-- Imported files have no texts, so an empty text of an imported post means that it is not known.
UPDATE dims.publications SET text = NULL
WHERE text = ''
  AND origin = 'external'
  AND publication_id IN (SELECT publication_id FROM raw.post_snapshots WHERE source = 'import')
  AND publication_id NOT IN (SELECT publication_id FROM raw.post_snapshots WHERE source <> 'import');
COMMENT ON COLUMN dims.publications.text IS 'What it says; an empty text = a post without text; NULL = not known (imported files contain no texts).';
