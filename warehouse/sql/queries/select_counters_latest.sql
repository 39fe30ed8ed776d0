-- grain: one publication with its newest counters; read by rank_posts.sql
-- params: snapshot = the lake's snapshot to read, the same for every page of a list
SELECT
  workspace_id, publication_id, post_id, account_id, platform, published_at, impressions, likes, comments, shares,
  saves, clicks, video_views, engagement, engagement IS NOT NULL AS measured
FROM marts.publication_latest AT (VERSION => $snapshot)
