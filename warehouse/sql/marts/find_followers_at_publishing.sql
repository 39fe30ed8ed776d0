-- grain: one account and UTC day of a publication in `latest` or `other_publications`, with the newest count of
--   followers by then
-- params: none
-- By account and day, in its own table: sorting all publications for the join took a third of the time of a load of
-- posts, and in one statement the join starts from the wrong side.
--   Only the counts of these accounts: the join sorts what it is given, and there is a count for each account and day.
CREATE OR REPLACE TEMP TABLE followers_then AS
WITH days AS (
  SELECT account_id, utc_time(published_at)::DATE AS published_day FROM latest
  UNION
  SELECT account_id, utc_time(published_at)::DATE FROM other_publications
)
SELECT days.account_id, days.published_day, daily.followers
FROM days
ASOF JOIN (
  SELECT account_id, day, followers
  FROM marts.account_daily
  WHERE followers IS NOT NULL AND account_id IN (SELECT account_id FROM days)
) AS daily
  ON days.account_id = daily.account_id AND days.published_day >= daily.day
