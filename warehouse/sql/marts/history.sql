-- grain: one snapshot that the marts of `continued` are made from
-- params: none; reads `added`
-- The new snapshots, and the newest known before them: that one is `carried`, the marts have counted it already.
CREATE OR REPLACE TEMP TABLE history AS
SELECT
  workspace_id, account_id, publication_id, published_at, captured_at,
  impressions, reach, likes, comments, shares, saves, clicks, video_views, false AS carried
FROM added
WHERE publication_id IN (SELECT publication_id FROM continued)
UNION ALL
SELECT
  workspace_id, account_id, publication_id, published_at, captured_at,
  impressions, reach, likes, comments, shares, saves, clicks, video_views, true AS carried
FROM continued
WHERE captured_at IS NOT NULL
