-- What analysts ask about a post: its ids elsewhere, when it was planned, whether it still exists, what it contains.
ALTER TABLE dims.publications ADD COLUMN external_id VARCHAR;
ALTER TABLE dims.publications ADD COLUMN client_ref VARCHAR;
ALTER TABLE dims.publications ADD COLUMN scheduled_at TIMESTAMPTZ;
ALTER TABLE dims.publications ADD COLUMN deleted_at TIMESTAMPTZ;
ALTER TABLE dims.publications ADD COLUMN media_count BIGINT;
ALTER TABLE dims.publications ADD COLUMN text_length BIGINT;
ALTER TABLE dims.publications ADD COLUMN hashtags VARCHAR[];
ALTER TABLE dims.publications ADD COLUMN mentions VARCHAR[];
COMMENT ON COLUMN dims.publications.external_id IS 'The platform''s id of the publication; in an imported file its post_id. NULL = not known to the lake yet.';
COMMENT ON COLUMN dims.publications.client_ref IS 'The author''s own reference, given when the post was created. NULL = none.';
COMMENT ON COLUMN dims.publications.scheduled_at IS 'The time that the author or the advice chose (UTC). NULL = published elsewhere.';
COMMENT ON COLUMN dims.publications.deleted_at IS 'When measuring first found it deleted on the platform (UTC). NULL = not found deleted.';
COMMENT ON COLUMN dims.publications.media_count IS 'Number of attached images and videos. NULL = not known: the histories of platforms do not say.';
COMMENT ON COLUMN dims.publications.text_length IS 'Characters (Unicode code points) of the text; NULL = the text is not known.';
COMMENT ON COLUMN dims.publications.hashtags IS 'Hashtags of the text without #, in lower case, in alphabetical order, each once; empty = none, NULL = the text is not known.';
COMMENT ON COLUMN dims.publications.mentions IS 'Mentioned accounts of the text without @, as written, in alphabetical order, each once; empty = none, NULL = the text is not known.';
-- Hashtags and mentions by one rule for every platform: letters, digits and _ after the sign, which begins a word. A
-- mention may contain a server or a domain (@ada@social.example, @ada.example).
CREATE MACRO hashtags_of(text) AS
  list_sort(list_distinct(regexp_extract_all(lower(text), '(?:^|[^\p{L}\p{N}_&/#])#([\p{L}\p{N}_]*\p{L}[\p{L}\p{N}_]*)', 1)));
CREATE MACRO mentions_of(text) AS
  list_sort(list_distinct(regexp_extract_all(text, '(?:^|[^\p{L}\p{N}_.@/])@([\p{L}\p{N}_](?:[\p{L}\p{N}_.@-]*[\p{L}\p{N}_])?)', 1)));
UPDATE dims.publications SET
  text_length = length(text),
  hashtags = hashtags_of(text),
  mentions = mentions_of(text)
WHERE text IS NOT NULL;

-- One row per publication with everything that is usually asked: no joins needed.
CREATE VIEW marts.posts_wide AS
SELECT
  latest.workspace_id,
  latest.publication_id,
  latest.post_id,
  publications.external_id,
  publications.client_ref,
  latest.platform,
  latest.account_id,
  accounts.handle AS account_name,
  accounts.timezone,
  latest.origin,
  latest.kind AS post_type,
  publications.text AS post_message,
  publications.permalink AS post_url,
  publications.scheduled_at,
  latest.published_at AS created_timestamp,
  latest.published_at AT TIME ZONE accounts.timezone AS created_local,
  publications.deleted_at,
  publications.deleted_at IS NOT NULL AS is_deleted,
  publications.media_count,
  publications.text_length,
  publications.hashtags,
  publications.mentions,
  publications.placement,
  latest.captured_at,
  latest.age_hours,
  latest.clicks,
  latest.impressions,
  latest.reach,
  latest.likes,
  latest.comments,
  latest.shares,
  latest.saves,
  latest.video_views,
  latest.engagement,
  latest.engagement_1h,
  latest.engagement_24h,
  latest.engagement_7d,
  latest.engagement_30d,
  usual.usual_24h,
  latest.engagement_24h / nullif(usual.usual_24h, 0) AS times_usual_24h
FROM marts.publication_latest AS latest
LEFT JOIN dims.publications AS publications ON publications.publication_id = latest.publication_id
LEFT JOIN dims.accounts AS accounts ON accounts.account_id = latest.account_id
LEFT JOIN (
  SELECT account_id, median(engagement_24h) AS usual_24h
  FROM marts.publication_latest
  WHERE engagement_24h IS NOT NULL
    AND published_at > (SELECT max(captured_at) FROM marts.publication_latest) - INTERVAL 90 DAY
  GROUP BY account_id
) AS usual ON usual.account_id = latest.account_id;
COMMENT ON VIEW marts.posts_wide IS 'Grain: one publication (publication_id) with all its descriptions and newest counters. Columns are described in docs/warehouse.md; those that dbt''s social media rollup has are named like there (account_name, post_message, post_url, post_type, created_timestamp, clicks, impressions, likes, comments, shares).';
