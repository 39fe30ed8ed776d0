-- grain: one post of one account at one instant: the rows to import
-- params: none
SELECT
  line, account, external_id, derived_id, permalink, text, kind, published_at, day_only, measured_at,
  impressions, reach, views, likes, comments, shares, saves, clicks, follows, video_views,
  watch_seconds, engagement_rate, raw::VARCHAR AS raw
FROM identified
WHERE line = first_line
ORDER BY account NULLS FIRST, line
