-- grain: one snapshot that the marts have not counted, with what it is compared with: here the only new one of its publication
-- params: none; reads `added`, `newest_known`, `recounted`, `several`
-- age_hours: since publishing, as the dimension has it; NULL without one. before: the snapshot before it. counted_before:
-- time and engagement of the one before it that has an engagement. Both NULL where there is none. is_newest: the
-- publication has no later one.
CREATE OR REPLACE TEMP TABLE steps AS
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
  WHERE publication_id NOT IN (FROM recounted) AND publication_id NOT IN (FROM several)
) AS known USING (publication_id)
