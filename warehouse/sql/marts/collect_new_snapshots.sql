-- grain: one snapshot not yet in the marts, with the previous one: here the only new snapshot of its publication
-- params: none; reads `added`, `newest_known`, `recomputed_publications`, `multi_snapshot_publications`
-- The counters are those of the snapshot; `kept` has the last known value of each counter up to then.
-- age_hours: time since publishing by the dimension; NULL without a dimension row, and for a lifetime count.
-- engagement: of `kept`; NULL if the snapshot has no part of it. before: the previous snapshot with an age.
-- counted_before: time and engagement of the previous snapshot with an engagement. Both are NULL if there is none.
-- is_newest: the publication has no later snapshot.
CREATE OR REPLACE TEMP TABLE snapshots_with_previous AS
SELECT
  * EXCLUDE (known_counters),
  CASE WHEN coalesce(likes, comments, shares, saves) IS NOT NULL
    THEN engagement(kept.likes, kept.comments, kept.shares, kept.saves) END AS engagement
FROM (
  SELECT
    workspace_id, account_id, publication_id, published_at, captured_at,
    CASE WHEN is_lifetime IS NOT TRUE
      THEN (epoch_us(captured_at) - epoch_us(known_published_at)) / 3.6e9 END AS age_hours,
    coalesce(is_lifetime, false) AS is_lifetime,
    impressions, reach, likes, comments, shares, saves, clicks, video_views,
    known_counters,
    struct_pack(
      impressions := coalesce(impressions, known_counters.impressions),
      reach := coalesce(reach, known_counters.reach),
      likes := coalesce(likes, known_counters.likes),
      comments := coalesce(comments, known_counters.comments),
      shares := coalesce(shares, known_counters.shares),
      saves := coalesce(saves, known_counters.saves),
      clicks := coalesce(clicks, known_counters.clicks),
      video_views := coalesce(video_views, known_counters.video_views)
    ) AS kept,
    true AS is_newest,
    before,
    counted_before
  FROM added
  JOIN (
    -- The newest known snapshot of these publications reported all known counters, at a known age.
    SELECT
      publication_id,
      published_at AS known_published_at,
      struct_pack(impressions, reach, likes, comments, shares, saves, clicks, video_views) AS known_counters,
      CASE WHEN captured_at IS NOT NULL THEN struct_pack(
        age_hours := (epoch_us(captured_at) - epoch_us(published_at)) / 3.6e9,
        impressions, reach, likes, comments, shares, saves, clicks, video_views
      ) END AS before,
      CASE WHEN captured_at IS NOT NULL THEN struct_pack(captured_at, engagement) END AS counted_before
    FROM newest_known
    WHERE publication_id NOT IN (FROM recomputed_publications)
      AND publication_id NOT IN (FROM multi_snapshot_publications)
  ) AS known USING (publication_id)
)
