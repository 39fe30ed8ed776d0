-- grain: one row for the period and the equally long one before it
-- params: workspace_id, previous_start, start, "end" (periods hold their start, not their end); platform,
--   account_id (NULL = all). The placeholder in scope is measured_now or measured_as_of.
WITH scope AS (
  SELECT publication_id, post_id, platform, published_at, captured_at, engagement,
         published_at >= $start::TIMESTAMPTZ AS current
  FROM ({measured})
  WHERE workspace_id = $workspace_id
    AND published_at >= $previous_start::TIMESTAMPTZ
    AND published_at < $end::TIMESTAMPTZ
    AND ($platform::VARCHAR IS NULL OR platform = $platform)
    AND ($account_id::VARCHAR IS NULL OR account_id = $account_id)
),
posts AS (
  SELECT current, post_id, sum(engagement)::BIGINT AS engagement,
         (min(published_at) AT TIME ZONE 'UTC')::DATE AS day
  FROM scope
  GROUP BY current, post_id
),
totals AS (
  SELECT
    count(*) FILTER (WHERE current) AS total_posts,
    sum(engagement) FILTER (WHERE current)::BIGINT AS total_engagement,
    count(*) FILTER (WHERE NOT current) AS previous_posts,
    sum(engagement) FILTER (WHERE NOT current)::BIGINT AS previous_engagement
  FROM posts
),
coverage AS (
  SELECT
    count(*) FILTER (WHERE current) AS publications,
    count(engagement) FILTER (WHERE current) AS measured,
    max(captured_at) AS as_of
  FROM scope
),
platforms AS (
  SELECT platform, count(DISTINCT post_id) AS total_posts, sum(engagement)::BIGINT AS total_engagement
  FROM scope
  WHERE current
  GROUP BY platform
),
days AS (
  SELECT day, count(*) AS posts, sum(engagement)::BIGINT AS engagement
  FROM posts
  WHERE current
  GROUP BY day
),
top AS (
  SELECT post_id, engagement
  FROM posts
  WHERE current AND engagement IS NOT NULL
  ORDER BY engagement DESC, post_id DESC
  LIMIT 10
)
SELECT
  totals.*,
  coverage.*,
  (SELECT coalesce(list(platforms ORDER BY platform), []) FROM platforms) AS by_platform,
  (SELECT coalesce(list(days ORDER BY day), []) FROM days) AS days,
  (SELECT coalesce(list(top ORDER BY engagement DESC, post_id DESC), []) FROM top) AS top
FROM totals, coverage
