-- grain: one row per publication in `publication_dimensions`, with the newest of `snapshots_with_previous`; a counter
--   that it lacks has its last known value
-- params: none; reads `values_at_age`
WITH newest AS (
  SELECT * EXCLUDE (before, counted_before) FROM snapshots_with_previous WHERE is_newest
),
aged AS (
  SELECT
    publication_id,
    max(counted) FILTER (WHERE age_hours = 1) AS engagement_1h,
    max(counted) FILTER (WHERE age_hours = 24) AS engagement_24h,
    max(counted) FILTER (WHERE age_hours = 168) AS engagement_7d,
    max(counted) FILTER (WHERE age_hours = 720) AS engagement_30d
  FROM (SELECT publication_id, age_hours, engagement AS counted FROM values_at_age)
  GROUP BY publication_id
)
SELECT
  publications.workspace_id,
  publications.publication_id,
  publications.post_id,
  publications.account_id,
  publications.platform,
  publications.origin,
  publications.kind,
  publications.published_at,
  newest.captured_at,
  CASE WHEN NOT newest.is_lifetime
    THEN (epoch(newest.captured_at) - epoch(publications.published_at)) / 3600 END AS age_hours,
  newest.kept.impressions AS impressions,
  newest.kept.reach AS reach,
  newest.kept.likes AS likes,
  newest.kept.comments AS comments,
  newest.kept.shares AS shares,
  newest.kept.saves AS saves,
  newest.kept.clicks AS clicks,
  newest.kept.video_views AS video_views,
  engagement(newest.kept.likes, newest.kept.comments, newest.kept.shares, newest.kept.saves) AS engagement,
  nullif(list_filter([
    CASE WHEN newest.impressions IS NULL AND newest.kept.impressions IS NOT NULL THEN 'impressions' END,
    CASE WHEN newest.reach IS NULL AND newest.kept.reach IS NOT NULL THEN 'reach' END,
    CASE WHEN newest.likes IS NULL AND newest.kept.likes IS NOT NULL THEN 'likes' END,
    CASE WHEN newest.comments IS NULL AND newest.kept.comments IS NOT NULL THEN 'comments' END,
    CASE WHEN newest.shares IS NULL AND newest.kept.shares IS NOT NULL THEN 'shares' END,
    CASE WHEN newest.saves IS NULL AND newest.kept.saves IS NOT NULL THEN 'saves' END,
    CASE WHEN newest.clicks IS NULL AND newest.kept.clicks IS NOT NULL THEN 'clicks' END,
    CASE WHEN newest.video_views IS NULL AND newest.kept.video_views IS NOT NULL THEN 'video_views' END
  ], lambda name: name IS NOT NULL), []) AS carried,
  coalesce(aged.engagement_1h, publications.engagement_1h) AS engagement_1h,
  coalesce(aged.engagement_24h, publications.engagement_24h) AS engagement_24h,
  coalesce(aged.engagement_7d, publications.engagement_7d) AS engagement_7d,
  coalesce(aged.engagement_30d, publications.engagement_30d) AS engagement_30d
FROM publication_dimensions AS publications
LEFT JOIN newest USING (publication_id)
LEFT JOIN aged USING (publication_id)
