-- grain: one post of one account at one instant: rows to import
-- params: first, last (places of `row_order`, both included)
-- A batch at a time: sorting all rows with their texts at once needs more memory than a long file may take.
SELECT
  line, identified.account, identified.external_id, derived_id, permalink, text, kind, parsed.published_at,
  parsed.day_only, parsed.measured_at,
  impressions, reach, views, likes, comments, shares, saves, clicks, follows, video_views,
  watch_seconds, engagement_rate, raw::VARCHAR AS raw
FROM row_order
JOIN identified USING (line)
JOIN parsed USING (line)
WHERE place BETWEEN $first AND $last
ORDER BY place
