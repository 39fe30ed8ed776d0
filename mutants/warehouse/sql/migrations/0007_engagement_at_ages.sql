-- A publication's engagement at equal ages beside its newest: posts and slots are made from this one table.
ALTER TABLE marts.publication_latest ADD COLUMN engagement_1h BIGINT;
ALTER TABLE marts.publication_latest ADD COLUMN engagement_24h BIGINT;
ALTER TABLE marts.publication_latest ADD COLUMN engagement_7d BIGINT;
ALTER TABLE marts.publication_latest ADD COLUMN engagement_30d BIGINT;
COMMENT ON COLUMN marts.publication_latest.engagement_1h IS 'Engagement one hour after publishing, as in publication_at_age; NULL = not measured around that age.';
COMMENT ON COLUMN marts.publication_latest.engagement_24h IS 'The same a day after publishing.';
COMMENT ON COLUMN marts.publication_latest.engagement_7d IS 'The same seven days after publishing.';
COMMENT ON COLUMN marts.publication_latest.engagement_30d IS 'The same thirty days after publishing.';
