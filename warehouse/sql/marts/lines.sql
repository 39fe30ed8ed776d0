-- grain: one publication of `described` and age of 1, 24, 168 or 720 hours that `history` newly tells something about
-- params: none
-- A straight line between the snapshots just before and just after the age. Publishing counts as a snapshot of
-- zeros at age 0; beyond the last snapshot nothing is known. Growth is no straight line: so the nearer of the two
-- must be within a quarter of the age, else the age counts as not measured. A counter that one of the two lacks
-- is NULL. An age up to `known_hours` is counted already and stays.
CREATE OR REPLACE TEMP TABLE lines AS
WITH aged AS (
  SELECT
    publication_id,
    (epoch_us(history.captured_at) - epoch_us(publications.published_at)) / 3.6e9 AS hours,
    struct_pack(impressions, reach, likes, comments, shares, saves, clicks, video_views) AS counted
  FROM history
  JOIN (SELECT publication_id, published_at FROM described) AS publications USING (publication_id)
  WHERE history.captured_at >= publications.published_at
),
open AS (
  SELECT publication_id, age_hours
  FROM (SELECT publication_id, max(hours) AS newest_hours FROM aged GROUP BY publication_id) AS measured
  JOIN (SELECT publication_id, known_hours FROM described) AS publications USING (publication_id)
  JOIN (SELECT unnest([1, 24, 168, 720])::INTEGER AS age_hours) AS ages
    ON age_hours <= newest_hours AND (known_hours IS NULL OR age_hours > known_hours)
),
around AS (
  SELECT
    publication_id,
    age_hours,
    coalesce(max(hours) FILTER (WHERE hours <= age_hours), 0) AS before_hours,
    arg_max(counted, hours) FILTER (WHERE hours <= age_hours) AS counted_before,
    min(hours) FILTER (WHERE hours >= age_hours) AS after_hours,
    arg_min(counted, hours) FILTER (WHERE hours >= age_hours) AS counted_after
  FROM aged
  JOIN open USING (publication_id)
  GROUP BY publication_id, age_hours
),
near AS (
  SELECT
    *,
    -- Where on the line the age is: 0 = at the snapshot before, 1 = at the one after.
    CASE WHEN after_hours > before_hours THEN (age_hours - before_hours) / (after_hours - before_hours) ELSE 0 END
      AS share
  FROM around
  WHERE least(age_hours - before_hours, after_hours - age_hours) <= age_hours / 4
)
SELECT
  publication_id, age_hours, before_hours, after_hours,
  on_line(counted_before IS NULL, counted_before.impressions, counted_after.impressions, share) AS impressions,
  on_line(counted_before IS NULL, counted_before.reach, counted_after.reach, share) AS reach,
  on_line(counted_before IS NULL, counted_before.likes, counted_after.likes, share) AS likes,
  on_line(counted_before IS NULL, counted_before.comments, counted_after.comments, share) AS comments,
  on_line(counted_before IS NULL, counted_before.shares, counted_after.shares, share) AS shares,
  on_line(counted_before IS NULL, counted_before.saves, counted_after.saves, share) AS saves,
  on_line(counted_before IS NULL, counted_before.clicks, counted_after.clicks, share) AS clicks,
  on_line(counted_before IS NULL, counted_before.video_views, counted_after.video_views, share) AS video_views
FROM near
