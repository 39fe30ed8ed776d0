-- grain: one account and one hour of its week in which it published (account_id, weekday, hour). What was, not what to expect: for that see optimal_times.
-- params: none
-- columns:
--   workspace_id: Tenant.
--   account_id: Key into dims.accounts.
--   platform: The account's platform.
--   timezone: IANA zone that weekday and hour are in: that of dims.accounts.
--   weekday: 0 = Monday, local, by published_at.
--   hour: 0-23, local, by published_at.
--   publications: Publications in this slot.
--   measured: Those of them with an engagement.
--   engagement: Sum of their newest engagement; posts of different ages. NULL = none measured.
--   engagement_mean: Mean of their newest engagement; NULL = none measured.
--   engagement_median: Median of their newest engagement; NULL = none measured.
--   measured_24h: Publications with an engagement at the age of 24 hours.
--   engagement_24h_mean: Mean engagement at the age of 24 hours, which compares like with like; NULL = none measured.
--   measured_7d: Publications with an engagement at the age of 7 days.
--   engagement_7d_mean: Mean engagement at the age of 7 days; NULL = none measured.
SELECT
  placed.workspace_id,
  placed.account_id,
  min(placed.platform) AS platform,
  placed.timezone,
  isodow(placed.local_time) - 1 AS weekday,
  hour(placed.local_time) AS hour,
  count(*) AS publications,
  count(placed.engagement) AS measured,
  sum(placed.engagement)::BIGINT AS engagement,
  sum(placed.engagement) / count(placed.engagement) AS engagement_mean,
  median(placed.engagement) AS engagement_median,
  count(placed.engagement_24h) AS measured_24h,
  sum(placed.engagement_24h) / count(placed.engagement_24h) AS engagement_24h_mean,
  count(placed.engagement_7d) AS measured_7d,
  sum(placed.engagement_7d) / count(placed.engagement_7d) AS engagement_7d_mean
FROM (
  SELECT
    latest.workspace_id,
    latest.account_id,
    latest.platform,
    latest.engagement,
    latest.engagement_24h,
    latest.engagement_7d,
    coalesce(accounts.timezone, 'UTC') AS timezone,
    CASE
      WHEN clocks.local_end - clocks.local_start = INTERVAL 24 HOUR
      THEN clocks.local_start + (make_timestamp(epoch_us(latest.published_at)) - clocks.utc_day::TIMESTAMP)
      ELSE latest.published_at AT TIME ZONE coalesce(accounts.timezone, 'UTC')
    END AS local_time
  FROM marts.publication_latest AS latest
  LEFT JOIN dims.accounts AS accounts ON accounts.account_id = latest.account_id
  LEFT JOIN (
    -- Two conversions for each zone and UTC day instead of one for each row, as in posts_wide.
    SELECT
      timezone,
      utc_day,
      utc_day::TIMESTAMP AT TIME ZONE 'UTC' AT TIME ZONE timezone AS local_start,
      (utc_day + 1)::TIMESTAMP AT TIME ZONE 'UTC' AT TIME ZONE timezone AS local_end
    FROM (
      SELECT DISTINCT
        coalesce(zones.timezone, 'UTC') AS timezone,
        make_timestamp(epoch_us(published.published_at))::DATE AS utc_day
      FROM marts.publication_latest AS published
      LEFT JOIN dims.accounts AS zones ON zones.account_id = published.account_id
    )
  ) AS clocks
    ON clocks.timezone = coalesce(accounts.timezone, 'UTC')
   AND clocks.utc_day = make_timestamp(epoch_us(latest.published_at))::DATE
  -- A post of which only the day is known has no hour.
  WHERE latest.publication_id NOT IN (SELECT publication_id FROM dims.publications WHERE day_only)
) AS placed
GROUP BY placed.workspace_id, placed.account_id, placed.timezone, weekday, hour
