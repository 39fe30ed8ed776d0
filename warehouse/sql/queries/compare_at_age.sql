-- grain: one row: the posts of [start, end) against their accounts' posts of [usual_start, start), at the same age
-- params: workspace_id, account_id (NULL = all), platform (NULL = all), age_hours, usual_start, start, "end"
-- Each publication is compared with its own account's mean of ln(1 + engagement), so that a week with more posts on a
-- large account does not look better. lift_log and its standard error are in log units.
WITH measured AS (
  SELECT account_id, published_at >= $start::TIMESTAMPTZ AS current, engagement, ln(1 + engagement) AS y
  FROM marts.publication_at_age
  WHERE workspace_id = $workspace_id
    AND age_hours = $age_hours
    AND engagement IS NOT NULL
    AND published_at >= $usual_start::TIMESTAMPTZ
    AND published_at < $end::TIMESTAMPTZ
    AND ($account_id::VARCHAR IS NULL OR account_id = $account_id)
    AND ($platform::VARCHAR IS NULL OR platform = $platform)
),
usual AS (
  SELECT account_id, avg(y) AS mean, coalesce(var_samp(y), 0) / count(*) AS mean_variance, count(*) AS posts
  FROM measured
  WHERE NOT current
  GROUP BY account_id
  HAVING count(*) >= 5
),
compared AS (
  SELECT account_id, y - mean AS gain, mean_variance, posts
  FROM measured
  JOIN usual USING (account_id)
  WHERE current
),
shares AS (SELECT account_id, count(*) AS here, any_value(mean_variance) AS mean_variance FROM compared GROUP BY account_id)
SELECT
  (SELECT count(*) FROM measured WHERE current) AS posts,
  (SELECT avg(engagement) FROM measured WHERE current) AS engagement_mean,
  (SELECT avg(engagement) FROM measured WHERE NOT current) AS usual_mean,
  (SELECT coalesce(sum(posts), 0)::BIGINT FROM usual) AS usual_posts,
  (SELECT count(*) FROM compared) AS compared,
  (SELECT avg(gain) FROM compared) AS lift_log,
  (SELECT sqrt(var_samp(gain) / count(*)) FROM compared HAVING count(*) > 1) AS spread,
  (SELECT sum(mean_variance * (here / (SELECT count(*) FROM compared)) ** 2) FROM shares) AS usual_variance
