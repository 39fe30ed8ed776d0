-- grain: one row of `batch` that is new to the lake
-- params: none
-- A row is compared only with the newest state as of its own time: stored snapshots less than a second later are
-- restatements of that time. Equal counts (of those that the row has) add nothing; other counts restate it, a
-- microsecond after the newest of them, so that 100, 101, 100 ends at 100. Equal counts at a later time are a later
-- measurement.
WITH timed AS (SELECT *, row_number() OVER () AS place FROM batch),
states AS (
  SELECT
    place,
    max(stored.captured_at) AS restated_at,
    arg_max(stored.impressions, stored.captured_at) AS impressions,
    arg_max(stored.reach, stored.captured_at) AS reach,
    arg_max(stored.likes, stored.captured_at) AS likes,
    arg_max(stored.comments, stored.captured_at) AS comments,
    arg_max(stored.shares, stored.captured_at) AS shares,
    arg_max(stored.saves, stored.captured_at) AS saves,
    arg_max(stored.clicks, stored.captured_at) AS clicks,
    arg_max(stored.video_views, stored.captured_at) AS video_views
  FROM timed
  JOIN (
    SELECT *
    FROM raw.post_snapshots
    WHERE publication_id IN (SELECT publication_id FROM batch)
  ) AS stored
    ON stored.publication_id = timed.publication_id
   AND stored.captured_at >= timed.captured_at
   AND stored.captured_at < timed.captured_at + INTERVAL 1 SECOND
  GROUP BY place
)
SELECT
  timed.* EXCLUDE (place, captured_at),
  coalesce(restated_at + INTERVAL 1 MICROSECOND, captured_at) AS captured_at
FROM timed
LEFT JOIN states USING (place)
WHERE restated_at IS NULL
   OR timed.impressions <> coalesce(states.impressions, -1)
   OR timed.reach <> coalesce(states.reach, -1)
   OR timed.likes <> coalesce(states.likes, -1)
   OR timed.comments <> coalesce(states.comments, -1)
   OR timed.shares <> coalesce(states.shares, -1)
   OR timed.saves <> coalesce(states.saves, -1)
   OR timed.clicks <> coalesce(states.clicks, -1)
   OR timed.video_views <> coalesce(states.video_views, -1)
