-- grain: one publication with its counters at an age; read by rank_posts.sql
-- params: age_hours; snapshot = the lake's snapshot to read, the same for every page of a list
SELECT
  workspace_id, publication_id, post_id, account_id, platform, published_at, impressions, likes, comments, shares,
  saves, clicks, video_views, engagement, latest.engagement_now IS NOT NULL AS measured
FROM marts.publication_at_age AT (VERSION => $snapshot)
JOIN (
  SELECT publication_id, engagement AS engagement_now FROM marts.publication_latest AT (VERSION => $snapshot)
) AS latest USING (publication_id)
WHERE age_hours = $age_hours
