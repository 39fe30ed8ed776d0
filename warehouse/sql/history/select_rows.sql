-- grain: one post of one account at one instant: the rows to import
-- params: few_accounts
-- In the order of time where that leaves each account many rows in a batch: ids of posts begin with their time, so that
-- indexes and files of the store and the lake grow at their end. Else by account.
SELECT
  line, account, external_id, derived_id, permalink, text, kind, published_at, day_only, measured_at,
  impressions, reach, views, likes, comments, shares, saves, clicks, follows, video_views,
  watch_seconds, engagement_rate, raw::VARCHAR AS raw
FROM identified
WHERE line = first_line
ORDER BY
  CASE WHEN NOT $few_accounts::BOOLEAN THEN account END NULLS FIRST,
  CASE WHEN $few_accounts::BOOLEAN THEN published_at END,
  line
