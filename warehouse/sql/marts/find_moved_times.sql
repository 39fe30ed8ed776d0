-- grain: one row of optimal_times of an account in `touched_accounts` whose time zone changed, in the new zone
-- params: none
-- The recommended instants stay the same until the next timing run: the slots move by the difference of the two zones'
-- offsets, to the nearest hour.
CREATE OR REPLACE TEMP TABLE moved_times AS
WITH moved AS (
  SELECT
    times.*,
    accounts.timezone AS new_timezone,
    (weekday * 24 + hour + 168 + round(
      (epoch(computed_at AT TIME ZONE accounts.timezone) - epoch(computed_at AT TIME ZONE times.timezone)) / 3600
    )::INTEGER) % 168 AS slot
  FROM marts.optimal_times AS times
  JOIN (
    SELECT account_id, timezone FROM dims.accounts WHERE account_id IN (SELECT account_id FROM touched_accounts)
  ) AS accounts ON accounts.account_id = times.account_id AND accounts.timezone <> times.timezone
)
SELECT * EXCLUDE (new_timezone, slot) REPLACE (new_timezone AS timezone, slot // 24 AS weekday, slot % 24 AS hour)
FROM moved
