-- grain: one snapshot of a publication in `recomputed_publications`, or a new one of `multi_snapshot_publications`;
--   columns as in collect_new_snapshots.sql
-- params: none; reads `added`, `publication_dimensions`, `newest_known`
INSERT INTO snapshots_with_previous BY NAME
WITH history AS (
  SELECT
    workspace_id, account_id, publication_id, published_at, captured_at, coalesce(is_lifetime, false) AS is_lifetime,
    impressions, reach, likes, comments, shares, saves, clicks, video_views
  FROM added
  WHERE publication_id IN (FROM multi_snapshot_publications)
  UNION ALL
  SELECT
    workspace_id, account_id, publication_id, published_at, captured_at, coalesce(is_lifetime, false) AS is_lifetime,
    impressions, reach, likes, comments, shares, saves, clicks, video_views
  FROM raw.post_snapshots
  WHERE publication_id IN (FROM recomputed_publications)
),
known AS (
  SELECT
    publication_id,
    struct_pack(
      age_hours := (epoch_us(captured_at) - epoch_us(published_at)) / 3.6e9,
      impressions, reach, likes, comments, shares, saves, clicks, video_views
    ) AS known_before,
    struct_pack(captured_at, engagement) AS known_counted
  FROM newest_known
  WHERE captured_at IS NOT NULL AND publication_id IN (FROM multi_snapshot_publications)
),
aged AS (
  SELECT
    history.*,
    CASE WHEN NOT is_lifetime
      THEN (epoch_us(captured_at) - epoch_us(dimension_published_at)) / 3.6e9 END AS age_hours,
    known_before,
    known_counted
  FROM history
  LEFT JOIN (SELECT publication_id, published_at AS dimension_published_at FROM publication_dimensions)
    USING (publication_id)
  LEFT JOIN known USING (publication_id)
),
carried AS (
  SELECT
    *,
    struct_pack(
      impressions := coalesce(last_value(impressions IGNORE NULLS) OVER so_far, known_before.impressions),
      reach := coalesce(last_value(reach IGNORE NULLS) OVER so_far, known_before.reach),
      likes := coalesce(last_value(likes IGNORE NULLS) OVER so_far, known_before.likes),
      comments := coalesce(last_value(comments IGNORE NULLS) OVER so_far, known_before.comments),
      shares := coalesce(last_value(shares IGNORE NULLS) OVER so_far, known_before.shares),
      saves := coalesce(last_value(saves IGNORE NULLS) OVER so_far, known_before.saves),
      clicks := coalesce(last_value(clicks IGNORE NULLS) OVER so_far, known_before.clicks),
      video_views := coalesce(last_value(video_views IGNORE NULLS) OVER so_far, known_before.video_views)
    ) AS kept
  FROM aged
  WINDOW so_far AS (
    PARTITION BY publication_id ORDER BY captured_at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  )
),
counted AS (
  SELECT
    *,
    CASE WHEN coalesce(likes, comments, shares, saves) IS NOT NULL
      THEN engagement(kept.likes, kept.comments, kept.shares, kept.saves) END AS engagement
  FROM carried
),
compared AS (
  SELECT
    *,
    lead(captured_at) OVER by_time IS NULL AS is_newest,
    lag(
      CASE WHEN NOT is_lifetime THEN struct_pack(
        age_hours, impressions, reach, likes, comments, shares, saves, clicks, video_views
      ) END IGNORE NULLS
    ) OVER by_time AS new_before,
    lag(CASE WHEN engagement IS NOT NULL THEN struct_pack(captured_at, engagement) END IGNORE NULLS)
      OVER by_time AS new_counted_before
  FROM counted
  WINDOW by_time AS (PARTITION BY publication_id ORDER BY captured_at)
)
SELECT
  * EXCLUDE (new_before, new_counted_before, known_before, known_counted),
  coalesce(new_before, known_before) AS before,
  coalesce(new_counted_before, known_counted) AS counted_before
FROM compared
