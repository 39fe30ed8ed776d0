-- grain: one snapshot of `history` that the marts have not counted, with what it is compared with
-- params: none; reads `continued`
-- before: the counters of the snapshot before it. counted_before: time and engagement of the one before it that has an
-- engagement. Both NULL where there is none. is_newest: the publication has no later one.
CREATE OR REPLACE TEMP TABLE steps AS
WITH fresh_ones AS (
  SELECT
    * EXCLUDE (carried),
    engagement(likes, comments, shares, saves) AS engagement,
    lead(captured_at) OVER by_time IS NULL AS is_newest,
    lag(struct_pack(impressions, reach, likes, comments, shares, saves, clicks, video_views)) OVER by_time AS before,
    lag(
      CASE WHEN coalesce(likes, comments, shares, saves) IS NOT NULL
        THEN struct_pack(captured_at, engagement := engagement(likes, comments, shares, saves)) END
      IGNORE NULLS
    ) OVER by_time AS counted_before
  FROM history
  WHERE NOT carried
  WINDOW by_time AS (PARTITION BY publication_id ORDER BY captured_at)
),
known AS (
  SELECT
    publication_id,
    struct_pack(impressions, reach, likes, comments, shares, saves, clicks, video_views) AS known_before,
    struct_pack(captured_at, engagement) AS known_counted
  FROM continued
  WHERE captured_at IS NOT NULL
)
SELECT
  fresh_ones.* REPLACE (
    coalesce(before, known_before) AS before,
    coalesce(counted_before, known_counted) AS counted_before
  )
FROM fresh_ones
LEFT JOIN known USING (publication_id)
