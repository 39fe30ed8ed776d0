-- grain: one snapshot of one publication of the post, oldest first; a publication without one has one row
-- params: workspace_id, post_id
-- A count whose time of reading is unknown has no age.
SELECT
  publications.publication_id, publications.account_id, publications.platform, publications.kind,
  publications.published_at, publications.permalink,
  snapshots.captured_at,
  CASE WHEN is_lifetime IS NOT TRUE
    THEN (epoch(snapshots.captured_at) - epoch(publications.published_at)) / 3600 END AS age_hours,
  impressions, reach, likes, comments, shares, saves, clicks, video_views,
  engagement(likes, comments, shares, saves) AS engagement
FROM dims.publications
LEFT JOIN raw.post_snapshots AS snapshots USING (publication_id)
WHERE publications.workspace_id = $workspace_id AND publications.post_id = $post_id
ORDER BY publications.publication_id, snapshots.captured_at
