-- grain: one snapshot of a publication in `recomputed_publications`, or a new one of `multi_snapshot_publications`;
--   columns as in collect_new_snapshots.sql
-- params: none; reads `added`, `publication_dimensions`, `newest_known`
INSERT INTO snapshots_with_previous BY NAME
WITH history AS (
  SELECT
    workspace_id, account_id, publication_id, published_at, captured_at,
    impressions, reach, likes, comments, shares, saves, clicks, video_views
  FROM added
  WHERE publication_id IN (FROM multi_snapshot_publications)
  UNION ALL
  SELECT
    workspace_id, account_id, publication_id, published_at, captured_at,
    impressions, reach, likes, comments, shares, saves, clicks, video_views
  FROM raw.post_snapshots
  WHERE publication_id IN (FROM recomputed_publications)
),
aged AS (
  SELECT
    history.*,
    (epoch_us(captured_at) - epoch_us(dimension_published_at)) / 3.6e9 AS age_hours,
    engagement(likes, comments, shares, saves) AS engagement
  FROM history
  LEFT JOIN (SELECT publication_id, published_at AS dimension_published_at FROM publication_dimensions)
    USING (publication_id)
),
compared AS (
  SELECT
    *,
    lead(captured_at) OVER by_time IS NULL AS is_newest,
    lag(struct_pack(age_hours, impressions, reach, likes, comments, shares, saves, clicks, video_views))
      OVER by_time AS new_before,
    lag(CASE WHEN engagement IS NOT NULL THEN struct_pack(captured_at, engagement) END IGNORE NULLS)
      OVER by_time AS new_counted_before
  FROM aged
  WINDOW by_time AS (PARTITION BY publication_id ORDER BY captured_at)
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
)
SELECT
  compared.* EXCLUDE (new_before, new_counted_before),
  coalesce(new_before, known_before) AS before,
  coalesce(new_counted_before, known_counted) AS counted_before
FROM compared
LEFT JOIN known USING (publication_id)
