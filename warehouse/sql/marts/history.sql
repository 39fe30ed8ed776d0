-- grain: one snapshot of a publication in `touched_publications`, without what it was made of
-- params: none
CREATE OR REPLACE TEMP TABLE history AS
SELECT
  workspace_id, account_id, publication_id, published_at, captured_at,
  impressions, reach, likes, comments, shares, saves, clicks, video_views
FROM raw.post_snapshots
WHERE publication_id IN (SELECT publication_id FROM touched_publications)
