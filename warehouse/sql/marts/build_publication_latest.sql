-- grain: one row per publication in `publication_dimensions`, with the newest of `snapshots_with_previous`
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
  (epoch(newest.captured_at) - epoch(publications.published_at)) / 3600 AS age_hours,
  newest.impressions,
  newest.reach,
  newest.likes,
  newest.comments,
  newest.shares,
  newest.saves,
  newest.clicks,
  newest.video_views,
  newest.engagement,
  coalesce(aged.engagement_1h, publications.engagement_1h) AS engagement_1h,
  coalesce(aged.engagement_24h, publications.engagement_24h) AS engagement_24h,
  coalesce(aged.engagement_7d, publications.engagement_7d) AS engagement_7d,
  coalesce(aged.engagement_30d, publications.engagement_30d) AS engagement_30d
FROM publication_dimensions AS publications
LEFT JOIN newest USING (publication_id)
LEFT JOIN aged USING (publication_id)
