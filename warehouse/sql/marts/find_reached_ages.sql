-- grain: one publication and age of 1, 24, 168 or 720 hours first reached by a snapshot of `snapshots_with_previous`
-- params: none
-- Linear interpolation between the snapshots just before and just after the age. Publishing counts as a snapshot of
-- zeros at age 0; there is no value beyond the last snapshot. Growth is not linear, so the nearer of the two snapshots
-- must be within a quarter of the age; otherwise the age counts as not measured. A counter missing in one of the two
-- is NULL.
CREATE OR REPLACE TEMP TABLE values_at_age AS
WITH stretches AS (
  SELECT
    publication_id, age_hours AS hours,
    -- Ignore a snapshot from before publishing (a corrected time).
    CASE WHEN before.age_hours >= 0 THEN before END AS start,
    struct_pack(impressions, reach, likes, comments, shares, saves, clicks, video_views) AS finish
  FROM snapshots_with_previous
),
reached AS (
  SELECT publication_id, ages.age_hours, hours AS after_hours, coalesce(start.age_hours, 0) AS before_hours, start, finish
  FROM stretches
  JOIN (SELECT unnest([1, 24, 168, 720])::INTEGER AS age_hours) AS ages
    ON ages.age_hours <= hours AND ages.age_hours > coalesce(start.age_hours, 0)
),
near AS (
  SELECT
    publication_id, age_hours, start, finish, after_hours,
    CASE WHEN after_hours = age_hours THEN after_hours ELSE before_hours END AS before_hours,
    -- Position of the age between the snapshots: 0 = the one before, 1 = the one after, which is then used alone.
    (age_hours - before_hours) / (after_hours - before_hours) AS share,
    start IS NULL OR after_hours = age_hours AS from_zero
  FROM reached
  WHERE least(age_hours - before_hours, after_hours - age_hours) <= age_hours / 4
)
SELECT
  publication_id, age_hours, before_hours, after_hours,
  on_line(from_zero, start.impressions, finish.impressions, share) AS impressions,
  on_line(from_zero, start.reach, finish.reach, share) AS reach,
  on_line(from_zero, start.likes, finish.likes, share) AS likes,
  on_line(from_zero, start.comments, finish.comments, share) AS comments,
  on_line(from_zero, start.shares, finish.shares, share) AS shares,
  on_line(from_zero, start.saves, finish.saves, share) AS saves,
  on_line(from_zero, start.clicks, finish.clicks, share) AS clicks,
  on_line(from_zero, start.video_views, finish.video_views, share) AS video_views
FROM near
