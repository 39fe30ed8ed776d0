-- grain: one row per account in `touched_accounts` and hour of its local week with publications
-- params: none; reads `latest`, which is newer than publication_latest
WITH zones AS (
  SELECT account_id, timezone
  FROM dims.accounts
  WHERE account_id IN (SELECT account_id FROM touched_accounts)
),
newest AS (
  SELECT workspace_id, publication_id, account_id, platform, published_at, engagement, engagement_24h, engagement_7d
  FROM latest
  UNION ALL
  SELECT workspace_id, publication_id, account_id, platform, published_at, engagement, engagement_24h, engagement_7d
  FROM marts.publication_latest
  WHERE account_id IN (SELECT account_id FROM touched_accounts)
    AND publication_id NOT IN (SELECT publication_id FROM latest)
),
days_only AS (
  SELECT publication_id FROM dims.publications
  WHERE day_only AND account_id IN (SELECT account_id FROM touched_accounts)
),
zoned AS (
  SELECT
    newest.*,
    utc_time(published_at)::DATE AS utc_day,
    coalesce(zones.timezone, 'UTC') AS timezone
  FROM newest
  LEFT JOIN zones USING (account_id)
  WHERE publication_id NOT IN (SELECT publication_id FROM days_only)
),
-- Days without a clock change are converted with one offset: conversion per row took half of the time.
days AS (
  SELECT
    timezone,
    utc_day,
    (utc_day::TIMESTAMP AT TIME ZONE 'UTC') AT TIME ZONE timezone - utc_day AS ahead,
    ((utc_day + 1)::TIMESTAMP AT TIME ZONE 'UTC') AT TIME ZONE timezone - (utc_day + 1) AS ahead_at_its_end
  FROM (SELECT DISTINCT timezone, utc_day FROM zoned)
),
placed AS (
  SELECT
    zoned.*,
    CASE
      WHEN ahead = ahead_at_its_end THEN utc_time(published_at) + ahead
      ELSE published_at AT TIME ZONE timezone
    END AS local_time
  FROM zoned
  JOIN days USING (timezone, utc_day)
)
SELECT
  workspace_id,
  account_id,
  min(platform) AS platform,
  timezone,
  isodow(local_time) - 1 AS weekday,
  hour(local_time) AS hour,
  count(*) AS publications,
  count(engagement) AS measured,
  sum(engagement)::BIGINT AS engagement,
  sum(engagement) / count(engagement) AS engagement_mean,
  median(engagement) AS engagement_median,
  count(engagement_24h) AS measured_24h,
  sum(engagement_24h) / count(engagement_24h) AS engagement_24h_mean,
  count(engagement_7d) AS measured_7d,
  sum(engagement_7d) / count(engagement_7d) AS engagement_7d_mean
FROM placed
GROUP BY workspace_id, account_id, timezone, weekday, hour
