-- grain: one row per account in `touched_accounts` and hour of its local week in which it published
-- params: none
WITH zones AS (
  SELECT account_id, timezone
  FROM dims.accounts
  WHERE account_id IN (SELECT account_id FROM touched_accounts)
    -- A name that this build of the zone database does not know must not stop a load.
    AND timezone IN (SELECT name FROM pg_timezone_names())
),
latest AS (
  SELECT workspace_id, account_id, platform, published_at, engagement, engagement_24h, engagement_7d
  FROM marts.publication_latest
  WHERE account_id IN (SELECT account_id FROM touched_accounts)
),
placed AS (
  SELECT
    latest.*,
    coalesce(zones.timezone, 'UTC') AS timezone,
    published_at AT TIME ZONE coalesce(zones.timezone, 'UTC') AS local_time
  FROM latest
  LEFT JOIN zones USING (account_id)
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
