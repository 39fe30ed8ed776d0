-- grain: one calendar day in one time zone that accounts of the workspace are in (workspace_id, timezone, day). From the year of the workspace's first post or count to the end of the year after its last. Join a local day, such as posts_wide.created_date, on workspace_id, timezone and day.
-- params: none
-- columns:
--   workspace_id: Tenant.
--   timezone: IANA zone, as in dims.accounts.
--   day: The day on the zone's calendar.
--   starts_at: The instant at which it begins (UTC).
--   ends_at: The instant at which the next day begins (UTC).
--   hours: Its length: 24, and 23 or 25 where clocks change.
--   year: Calendar year.
--   quarter: Quarter of the year, 1 to 4.
--   month: Month, 1 to 12.
--   month_name: Month in English.
--   month_start: First day of the month.
--   iso_year: Year of the ISO week.
--   iso_week: ISO week, 1 to 53; weeks begin on Monday.
--   week_start: Monday of the week.
--   weekday: 0 = Monday, as in slot_engagement and optimal_times.
--   weekday_name: Weekday in English.
--   is_weekend: Saturday or Sunday.
--   day_of_month: Day of the month.
--   day_of_year: Day of the year.
SELECT
  workspace_id,
  timezone,
  day,
  starts_at,
  ends_at,
  (epoch(ends_at) - epoch(starts_at)) / 3600 AS hours,
  year(day) AS year,
  quarter(day) AS quarter,
  month(day) AS month,
  monthname(day) AS month_name,
  date_trunc('month', day)::DATE AS month_start,
  isoyear(day) AS iso_year,
  week(day) AS iso_week,
  date_trunc('week', day)::DATE AS week_start,
  isodow(day) - 1 AS weekday,
  dayname(day) AS weekday_name,
  isodow(day) >= 6 AS is_weekend,
  day(day) AS day_of_month,
  dayofyear(day) AS day_of_year
FROM (
  SELECT *, lead(starts_at) OVER (PARTITION BY workspace_id, timezone ORDER BY day) AS ends_at
  FROM (
    -- Where clocks go back over midnight (Havana), it strikes twice, and the conversion gives the second one: then the day
    -- before seems too long. The day begins with the first one.
    SELECT
      * EXCLUDE (midnight),
      CASE
        WHEN midnight - lag(midnight) OVER (PARTITION BY workspace_id, timezone ORDER BY day) > INTERVAL 24 HOUR
        THEN CASE
          WHEN ((midnight - INTERVAL 1 HOUR) AT TIME ZONE timezone)::DATE = day THEN midnight - INTERVAL 1 HOUR
          ELSE midnight
        END
        ELSE midnight
      END AS starts_at
    FROM (
      SELECT *, day::TIMESTAMP AT TIME ZONE timezone AS midnight
      FROM (
        -- One day more than is shown, for the end of the last one.
        SELECT zones.workspace_id, zones.timezone, unnest(generate_series(
          date_trunc('year', make_timestamp(epoch_us(first_at)) - INTERVAL 1 DAY),
          date_trunc('year', make_timestamp(epoch_us(last_at)) + INTERVAL 1 DAY) + INTERVAL 2 YEAR,
          INTERVAL 1 DAY
        ))::DATE AS day
        FROM (SELECT DISTINCT workspace_id, timezone FROM dims.accounts) AS zones
        JOIN (
          SELECT workspace_id, min(first_at) AS first_at, max(last_at) AS last_at
          FROM (
            SELECT workspace_id, min(published_at) AS first_at, max(published_at) AS last_at
            FROM marts.publication_latest
            GROUP BY workspace_id
            UNION ALL
            SELECT workspace_id, min(captured_at) AS first_at, max(captured_at) AS last_at
            FROM marts.account_daily
            GROUP BY workspace_id
          ) AS spans
          GROUP BY workspace_id
        ) AS spans ON spans.workspace_id = zones.workspace_id
      ) AS days
    ) AS midnights
  ) AS starts
) AS shown
WHERE ends_at IS NOT NULL
