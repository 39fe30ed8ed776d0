-- grain: one snapshot not yet in the marts, with the previous one: here the only new snapshot of its publication
-- params: none; reads `added`, `newest_known`, `recomputed_publications`, `multi_snapshot_publications`
-- age_hours: time since publishing by the dimension; NULL without a dimension row. before: the previous snapshot.
-- counted_before: time and engagement of the previous snapshot with an engagement. Both are NULL if there is none.
-- is_newest: the publication has no later snapshot.
CREATE OR REPLACE TEMP TABLE snapshots_with_previous AS
SELECT
  workspace_id, account_id, publication_id, published_at, captured_at,
  (epoch_us(captured_at) - epoch_us(known_published_at)) / 3.6e9 AS age_hours,
  impressions, reach, likes, comments, shares, saves, clicks, video_views,
  engagement(likes, comments, shares, saves) AS engagement,
  true AS is_newest,
  before,
  counted_before
FROM added
JOIN (
  SELECT
    publication_id,
    published_at AS known_published_at,
    CASE WHEN captured_at IS NOT NULL THEN struct_pack(
      age_hours := (epoch_us(captured_at) - epoch_us(published_at)) / 3.6e9,
      impressions, reach, likes, comments, shares, saves, clicks, video_views
    ) END AS before,
    CASE WHEN captured_at IS NOT NULL THEN struct_pack(captured_at, engagement) END AS counted_before
  FROM newest_known
  WHERE publication_id NOT IN (FROM recomputed_publications)
    AND publication_id NOT IN (FROM multi_snapshot_publications)
) AS known USING (publication_id)
