-- grain: one row per post in `touched_posts` that has a publication: all of post_performance but the place
-- params: none
CREATE OR REPLACE TEMP TABLE post_totals AS
WITH latest AS (
  SELECT *, (published_at AT TIME ZONE 'UTC')::DATE AS published_day
  FROM marts.publication_latest
  WHERE post_id IN (SELECT post_id FROM touched_posts)
),
-- By account and day first: sorting all of `latest` for the join took a third of the statement's time.
counted AS (
  SELECT days.account_id, days.published_day, daily.followers
  FROM (SELECT DISTINCT account_id, published_day FROM latest) AS days
  ASOF JOIN (SELECT account_id, day, followers FROM marts.account_daily WHERE followers IS NOT NULL) AS daily
    ON days.account_id = daily.account_id AND days.published_day >= daily.day
),
of_posts AS (
  SELECT latest.*, counted.followers
  FROM latest
  LEFT JOIN counted USING (account_id, published_day)
)
SELECT
  workspace_id,
  post_id,
  min(origin) AS origin,
  CASE WHEN min(kind) = max(kind) THEN min(kind) END AS kind,
  -- Not list(DISTINCT ...): a hash table per post took half of the statement's time.
  list_sort(list_distinct(list(platform))) AS platforms,
  min(published_at) AS published_at,
  date_trunc('month', min(published_at) AT TIME ZONE 'UTC')::DATE AS month,
  count(*) AS publications,
  count(engagement) AS measured,
  max(captured_at) AS captured_at,
  sum(impressions)::BIGINT AS impressions,
  sum(likes)::BIGINT AS likes,
  sum(comments)::BIGINT AS comments,
  sum(shares)::BIGINT AS shares,
  sum(saves)::BIGINT AS saves,
  sum(clicks)::BIGINT AS clicks,
  sum(video_views)::BIGINT AS video_views,
  sum(engagement)::BIGINT AS engagement,
  sum(followers)::BIGINT AS followers,
  sum(engagement) FILTER (WHERE impressions > 0)
    / sum(impressions) FILTER (WHERE engagement IS NOT NULL AND impressions > 0) AS engagement_rate_impressions,
  sum(engagement) FILTER (WHERE followers > 0)
    / sum(followers) FILTER (WHERE engagement IS NOT NULL AND followers > 0) AS engagement_rate_followers,
  -- A sum over some of the publications only would not compare with other posts.
  CASE WHEN count(*) FILTER (WHERE engagement IS NOT NULL AND engagement_1h IS NULL) = 0
    THEN sum(engagement_1h)::BIGINT END AS engagement_1h,
  CASE WHEN count(*) FILTER (WHERE engagement IS NOT NULL AND engagement_24h IS NULL) = 0
    THEN sum(engagement_24h)::BIGINT END AS engagement_24h,
  CASE WHEN count(*) FILTER (WHERE engagement IS NOT NULL AND engagement_7d IS NULL) = 0
    THEN sum(engagement_7d)::BIGINT END AS engagement_7d,
  CASE WHEN count(*) FILTER (WHERE engagement IS NOT NULL AND engagement_30d IS NULL) = 0
    THEN sum(engagement_30d)::BIGINT END AS engagement_30d
FROM of_posts
GROUP BY workspace_id, post_id
