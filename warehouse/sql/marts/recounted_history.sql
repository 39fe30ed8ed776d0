-- grain: one snapshot of a publication in `recounted`
-- params: none
INSERT INTO history
SELECT
  workspace_id, account_id, publication_id, published_at, captured_at,
  impressions, reach, likes, comments, shares, saves, clicks, video_views, false AS carried
FROM raw.post_snapshots
WHERE publication_id IN (SELECT publication_id FROM recounted)
