-- grain: one row per post in `touched_posts` with publications: all columns of post_performance except the rank
-- params: none; reads `latest`, `shared_posts`, `other_publications`, `followers_then`
CREATE OR REPLACE TEMP TABLE post_totals AS
WITH of_posts AS (
  SELECT publications.*, followers_then.followers
  FROM (
    FROM latest WHERE post_id IN (FROM shared_posts)
    UNION ALL
    FROM other_publications
  ) AS publications
  LEFT JOIN followers_then
    ON followers_then.account_id = publications.account_id
   AND followers_then.published_day = utc_time(publications.published_at)::DATE
)
SELECT
  workspace_id,
  post_id,
  min(origin) AS origin,
  CASE WHEN min(kind) = max(kind) THEN min(kind) END AS kind,
  -- Not list(DISTINCT ...): its hash table per post took half of the statement's time.
  list_sort(list_distinct(list(platform))) AS platforms,
  min(published_at) AS published_at,
  date_trunc('month', utc_time(min(published_at)))::DATE AS month,
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
  -- A sum over only some of the publications is not comparable with other posts.
  CASE WHEN count(*) FILTER (WHERE engagement IS NOT NULL AND engagement_1h IS NULL) = 0
    THEN round(sum(engagement_1h))::BIGINT END AS engagement_1h,
  CASE WHEN count(*) FILTER (WHERE engagement IS NOT NULL AND engagement_24h IS NULL) = 0
    THEN round(sum(engagement_24h))::BIGINT END AS engagement_24h,
  CASE WHEN count(*) FILTER (WHERE engagement IS NOT NULL AND engagement_7d IS NULL) = 0
    THEN round(sum(engagement_7d))::BIGINT END AS engagement_7d,
  CASE WHEN count(*) FILTER (WHERE engagement IS NOT NULL AND engagement_30d IS NULL) = 0
    THEN round(sum(engagement_30d))::BIGINT END AS engagement_30d
FROM of_posts
GROUP BY workspace_id, post_id
-- Most posts have one publication: the same without sums, in a third of the time.
UNION ALL BY NAME
SELECT
  workspace_id,
  post_id,
  origin,
  kind,
  [platform] AS platforms,
  published_at,
  date_trunc('month', utc_time(published_at))::DATE AS month,
  1 AS publications,
  (engagement IS NOT NULL)::BIGINT AS measured,
  captured_at,
  impressions,
  likes,
  comments,
  shares,
  saves,
  clicks,
  video_views,
  engagement,
  followers,
  CASE WHEN impressions > 0 THEN engagement / impressions END AS engagement_rate_impressions,
  CASE WHEN followers > 0 THEN engagement / followers END AS engagement_rate_followers,
  round(engagement_1h)::BIGINT AS engagement_1h,
  round(engagement_24h)::BIGINT AS engagement_24h,
  round(engagement_7d)::BIGINT AS engagement_7d,
  round(engagement_30d)::BIGINT AS engagement_30d
FROM latest
LEFT JOIN followers_then
  ON followers_then.account_id = latest.account_id
 AND followers_then.published_day = utc_time(latest.published_at)::DATE
WHERE post_id NOT IN (FROM shared_posts)
