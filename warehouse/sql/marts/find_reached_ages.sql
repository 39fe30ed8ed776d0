-- grain: one publication and age of 1, 24, 168 or 720 hours first reached by a snapshot of `snapshots_with_previous`
-- params: none
-- Linear interpolation between the snapshots just before and just after the age; there is no value beyond the last
-- snapshot. Growth is not linear, so the nearer of the two must be within a quarter of the age, otherwise the age counts
-- as not measured. Publishing counts as a snapshot of zeros for ages up to 3 hours only: later, a straight line from it
-- lies far below the real growth. A snapshot exactly at the age is used alone. A counter missing in one of the two is
-- NULL, and a lifetime count has no age. All values are computed without rounding, then kept to a 1024th.
CREATE OR REPLACE TEMP TABLE values_at_age AS
WITH stretches AS (
  SELECT
    publication_id, age_hours AS hours,
    -- Ignore a snapshot from before publishing (a corrected time).
    CASE WHEN before.age_hours >= 0 THEN before END AS start,
    struct_pack(impressions, reach, likes, comments, shares, saves, clicks, video_views) AS finish,
    engagement(likes, comments, shares, saves) AS after_engagement
  FROM snapshots_with_previous
),
reached AS (
  SELECT
    publication_id, ages.age_hours, start, finish, hours AS after_hours, after_engagement,
    CASE WHEN start IS NOT NULL THEN start.age_hours WHEN ages.age_hours <= 3 THEN 0 END AS before_hours,
    CASE WHEN start IS NOT NULL THEN engagement(start.likes, start.comments, start.shares, start.saves)
         WHEN ages.age_hours <= 3 THEN 0 END AS before_engagement
  FROM stretches
  JOIN (SELECT unnest([1, 24, 168, 720])::INTEGER AS age_hours) AS ages
    ON ages.age_hours <= hours AND ages.age_hours > coalesce(start.age_hours, 0)
),
placed AS (
  SELECT
    *,
    after_hours = age_hours
      OR (
        before_hours IS NOT NULL
        AND least(age_hours - before_hours, after_hours - age_hours) <= age_hours / 4
      ) AS near,
    start IS NULL OR after_hours = age_hours AS from_zero,
    -- Position of the age between the snapshots: 0 = the one before, 1 = the one after, which is then used alone.
    CASE WHEN after_hours = age_hours THEN 1
         ELSE (age_hours - before_hours) / (after_hours - before_hours) END AS share
  FROM reached
),
counted AS (
  SELECT
    publication_id, age_hours, before_hours, before_engagement, after_hours, after_engagement,
    CASE WHEN near THEN on_line(from_zero, start.impressions, finish.impressions, share) END AS impressions,
    CASE WHEN near THEN on_line(from_zero, start.reach, finish.reach, share) END AS reach,
    CASE WHEN near THEN on_line(from_zero, start.likes, finish.likes, share) END AS likes,
    CASE WHEN near THEN on_line(from_zero, start.comments, finish.comments, share) END AS comments,
    CASE WHEN near THEN on_line(from_zero, start.shares, finish.shares, share) END AS shares,
    CASE WHEN near THEN on_line(from_zero, start.saves, finish.saves, share) END AS saves,
    CASE WHEN near THEN on_line(from_zero, start.clicks, finish.clicks, share) END AS clicks,
    CASE WHEN near THEN on_line(from_zero, start.video_views, finish.video_views, share) END AS video_views
  FROM placed
)
SELECT
  publication_id, age_hours, before_hours, before_engagement, after_hours, after_engagement,
  to_1024th(impressions) AS impressions,
  to_1024th(reach) AS reach,
  to_1024th(likes) AS likes,
  to_1024th(comments) AS comments,
  to_1024th(shares) AS shares,
  to_1024th(saves) AS saves,
  to_1024th(clicks) AS clicks,
  to_1024th(video_views) AS video_views,
  to_1024th(engagement(likes, comments, shares, saves)) AS engagement
FROM counted
