-- grain: one post of the page, best first; an empty page has one row without a post
-- params: workspace_id, start, "end" (of published_at; end is exclusive); metric; platform, account_id (NULL = all);
--   after_value, after_id (NULL = from the top); rows. The placeholder in scope is counted_latest or counted_at_age.
-- A sum over only some of a post's publications is not comparable with other posts: if a measured publication has no
-- measurement around the age, the post has no value and no rank.
WITH scope AS (
  SELECT *
  FROM ({measured})
  WHERE workspace_id = $workspace_id
    AND published_at >= $start::TIMESTAMPTZ
    AND published_at < $end::TIMESTAMPTZ
    AND ($platform::VARCHAR IS NULL OR platform = $platform)
    AND ($account_id::VARCHAR IS NULL OR account_id = $account_id)
),
sums AS (
  SELECT
    post_id,
    min(published_at) AS published_at,
    list_sort(list(DISTINCT platform)) AS platforms,
    count(*) AS publications,
    round(sum(impressions)::DOUBLE)::BIGINT AS impressions,
    round(sum(likes)::DOUBLE)::BIGINT AS likes,
    round(sum(comments)::DOUBLE)::BIGINT AS comments,
    round(sum(shares)::DOUBLE)::BIGINT AS shares,
    round(sum(saves)::DOUBLE)::BIGINT AS saves,
    round(sum(clicks)::DOUBLE)::BIGINT AS clicks,
    round(sum(video_views)::DOUBLE)::BIGINT AS video_views,
    round(sum(engagement)::DOUBLE)::BIGINT AS engagement,
    sum(engagement) FILTER (WHERE impressions > 0)
      / sum(impressions) FILTER (WHERE engagement IS NOT NULL AND impressions > 0) AS engagement_rate,
    count(*) FILTER (WHERE measured AND engagement IS NULL) = 0 AS complete
  FROM scope
  GROUP BY post_id
),
valued AS MATERIALIZED (
  SELECT
    * EXCLUDE (complete),
    CASE WHEN complete THEN
      CASE $metric
        WHEN 'engagement' THEN engagement
        WHEN 'engagement_rate' THEN engagement_rate
        WHEN 'impressions' THEN impressions
        WHEN 'likes' THEN likes
        WHEN 'comments' THEN comments
        WHEN 'shares' THEN shares
        WHEN 'saves' THEN saves
        WHEN 'clicks' THEN clicks
        WHEN 'video_views' THEN video_views
      END
    END::DOUBLE AS value
  FROM sums
),
ranked AS (SELECT *, rank() OVER (ORDER BY value DESC) AS rank FROM valued WHERE value IS NOT NULL),
page AS (
  FROM ranked
  WHERE $after_value::DOUBLE IS NULL
     OR value < $after_value
     OR (value = $after_value AND post_id < $after_id::VARCHAR)
  ORDER BY value DESC, post_id DESC
  LIMIT $rows
),
counts AS (SELECT count(value) AS ranked, count(*) - count(value) AS unranked FROM valued)
SELECT counts.*, page.*
FROM counts
LEFT JOIN page ON true
ORDER BY value DESC, post_id DESC
