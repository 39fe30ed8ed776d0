-- grain: one row per publication in `touched_dims`; the newest of `history` wins
-- params: none
WITH newest AS (
  SELECT
    publication_id,
    max(captured_at) AS captured_at,
    arg_max(
      struct_pack(impressions, reach, likes, comments, shares, saves, clicks, video_views), captured_at
    ) AS counted
  FROM history
  GROUP BY publication_id
)
SELECT
  publications.workspace_id,
  publications.publication_id,
  publications.post_id,
  publications.account_id,
  publications.platform,
  publications.origin,
  publications.kind,
  publications.published_at,
  newest.captured_at,
  (epoch(newest.captured_at) - epoch(publications.published_at)) / 3600 AS age_hours,
  newest.counted.impressions,
  newest.counted.reach,
  newest.counted.likes,
  newest.counted.comments,
  newest.counted.shares,
  newest.counted.saves,
  newest.counted.clicks,
  newest.counted.video_views,
  engagement(newest.counted.likes, newest.counted.comments, newest.counted.shares, newest.counted.saves)
    AS engagement
FROM touched_dims AS publications
LEFT JOIN newest USING (publication_id)
