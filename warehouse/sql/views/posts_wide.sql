-- grain: one publication (publication_id) with everything about it and its newest counters: no joins are needed. Columns that dbt's social media rollup has are named like there.
-- params: none
-- columns:
--   workspace_id: Tenant.
--   publication_id: Key into dims.publications: a post on one account.
--   post_id: SocialFlow's id of the post; one post may have a publication on each of several accounts.
--   external_id: The platform's id of the publication. NULL = not known.
--   client_ref: The author's own reference, given when the post was created. NULL = none.
--   platform: The account's platform.
--   account_id: Key into dims.accounts.
--   account_name: The account's handle on the platform (dbt's name for it).
--   external_account_id: The platform's own id of the account, page or channel. NULL = not known.
--   timezone: IANA zone of the account: created_local and created_date are in it.
--   origin: socialflow = published by SocialFlow; external = found in the account's history or an imported file.
--   post_type: text, link, photo or video (dbt's name for kind).
--   post_message: Its text (dbt's name for it); an empty text = a post without text; NULL = not known.
--   post_url: Its public address (dbt's name for it). NULL = not known.
--   scheduled_at: The time that the author or the advice chose (UTC). NULL = published elsewhere.
--   created_timestamp: When it was published (UTC; dbt's name for it).
--   created_local: When it was published, on the account's clock (no zone).
--   created_date: Day on which it was published, on the account's calendar; joins dims.dates.day.
--   deleted_at: When measuring first found it deleted on the platform (UTC). NULL = not found deleted.
--   is_deleted: Whether it was found deleted.
--   media_count: Number of attached images and videos. NULL = not known.
--   text_length: Characters of the text. NULL = the text is not known.
--   hashtags: Hashtags of the text without #, in lower case, each once. NULL = the text is not known.
--   mentions: Mentioned accounts of the text without @, each once. NULL = the text is not known.
--   tags: Tags beside the text (YouTube's video tags). NULL = the platform has none or they are not known.
--   language: BCP 47 code of its language, as sent or as the platform names it. NULL = not known, never guessed.
--   placement: Who chose the time: manual, recommended, random or exploration. NULL = published elsewhere.
--   captured_at: When its newest counters were read (UTC). NULL = never.
--   age_hours: Hours from publishing to captured_at; NULL = not measured, or the time of reading is not known.
--   clicks: Clicks on links. NULL = not reported.
--   impressions: Times shown. NULL = not reported.
--   reach: Different people reached. NULL = not reported.
--   likes: Likes or reactions. NULL = not reported.
--   comments: Comments or replies. NULL = not reported.
--   shares: Reposts and quotes. NULL = not reported.
--   saves: Saves or bookmarks. NULL = not reported.
--   video_views: Views of the video, by the platform's own rule. NULL = not reported.
--   engagement: likes + comments + shares + saves; parts not measured are left out, none measured = NULL.
--   engagement_1h: Engagement one hour after publishing, as in publication_at_age, not rounded. NULL = not measured around that age.
--   engagement_24h: Engagement 24 hours after publishing, as in publication_at_age, not rounded. NULL = not measured around that age.
--   engagement_7d: Engagement 7 days after publishing, as in publication_at_age, not rounded. NULL = not measured around that age.
--   engagement_30d: Engagement 30 days after publishing, as in publication_at_age, not rounded. NULL = not measured around that age.
--   usual_1h: The account's usual engagement at one hour: account_baselines.usual. NULL = not known.
--   usual_24h: The account's usual engagement at 24 hours: account_baselines.usual. NULL = not known.
--   usual_7d: The account's usual engagement at 7 days: account_baselines.usual. NULL = not known.
--   usual_30d: The account's usual engagement at 30 days: account_baselines.usual. NULL = not known.
--   times_usual_1h: engagement_1h divided by usual_1h: 2 = twice the usual. NULL = one of them is not known, or the usual is 0.
--   times_usual_24h: engagement_24h divided by usual_24h: 2 = twice the usual. NULL = one of them is not known, or the usual is 0.
--   times_usual_7d: engagement_7d divided by usual_7d: 2 = twice the usual. NULL = one of them is not known, or the usual is 0.
--   times_usual_30d: engagement_30d divided by usual_30d: 2 = twice the usual. NULL = one of them is not known, or the usual is 0.
SELECT
  latest.workspace_id,
  latest.publication_id,
  latest.post_id,
  publications.external_id,
  publications.client_ref,
  latest.platform,
  latest.account_id,
  accounts.handle AS account_name,
  accounts.external_id AS external_account_id,
  accounts.timezone,
  latest.origin,
  latest.kind AS post_type,
  publications.text AS post_message,
  publications.permalink AS post_url,
  publications.scheduled_at,
  latest.published_at AS created_timestamp,
  CASE
    WHEN clocks.local_end - clocks.local_start = INTERVAL 24 HOUR
    THEN clocks.local_start + (make_timestamp(epoch_us(latest.published_at)) - clocks.utc_day::TIMESTAMP)
    ELSE latest.published_at AT TIME ZONE accounts.timezone
  END AS created_local,
  created_local::DATE AS created_date,
  publications.deleted_at,
  publications.deleted_at IS NOT NULL AS is_deleted,
  publications.media_count,
  publications.text_length,
  publications.hashtags,
  publications.mentions,
  publications.tags,
  publications.language,
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
  usual.usual_1h,
  usual.usual_24h,
  usual.usual_7d,
  usual.usual_30d,
  latest.engagement_1h / nullif(usual.usual_1h, 0) AS times_usual_1h,
  latest.engagement_24h / nullif(usual.usual_24h, 0) AS times_usual_24h,
  latest.engagement_7d / nullif(usual.usual_7d, 0) AS times_usual_7d,
  latest.engagement_30d / nullif(usual.usual_30d, 0) AS times_usual_30d
FROM marts.publication_latest AS latest
LEFT JOIN dims.publications AS publications ON publications.publication_id = latest.publication_id
LEFT JOIN dims.accounts AS accounts ON accounts.account_id = latest.account_id
LEFT JOIN (
  -- A conversion to the zone of a column takes 10 us, so there are two for each zone and UTC day instead of one for each
  -- row; only the rows of days on which clocks change are converted one by one.
  SELECT
    timezone,
    utc_day,
    utc_day::TIMESTAMP AT TIME ZONE 'UTC' AT TIME ZONE timezone AS local_start,
    (utc_day + 1)::TIMESTAMP AT TIME ZONE 'UTC' AT TIME ZONE timezone AS local_end
  FROM (
    SELECT DISTINCT zones.timezone, make_timestamp(epoch_us(published.published_at))::DATE AS utc_day
    FROM marts.publication_latest AS published
    JOIN dims.accounts AS zones ON zones.account_id = published.account_id
  )
) AS clocks ON clocks.timezone = accounts.timezone AND clocks.utc_day = make_timestamp(epoch_us(latest.published_at))::DATE
LEFT JOIN (
  SELECT
    account_id,
    max(usual) FILTER (WHERE age_hours = 1) AS usual_1h,
    max(usual) FILTER (WHERE age_hours = 24) AS usual_24h,
    max(usual) FILTER (WHERE age_hours = 168) AS usual_7d,
    max(usual) FILTER (WHERE age_hours = 720) AS usual_30d
  FROM marts.account_baselines
  GROUP BY account_id
) AS usual ON usual.account_id = latest.account_id
