-- grain: one account and UTC day on which a publication of `latest` or `other_publications` went out, with the newest count of followers by then
-- params: none
-- By account and day, and a table of its own: to sort all publications for the join took a third of a load's time for posts,
-- and in one statement the join begins from the wrong side.
CREATE OR REPLACE TEMP TABLE followers_then AS
SELECT days.account_id, days.published_day, daily.followers
FROM (
  SELECT account_id, utc_time(published_at)::DATE AS published_day FROM latest
  UNION
  SELECT account_id, utc_time(published_at)::DATE FROM other_publications
) AS days
ASOF JOIN (SELECT account_id, day, followers FROM marts.account_daily WHERE followers IS NOT NULL) AS daily
  ON days.account_id = daily.account_id AND days.published_day >= daily.day
