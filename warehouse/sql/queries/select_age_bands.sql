-- grain: one age of one account: the middle 60 % of its posts' engagement there
-- params: workspace_id, account_id; since = posts published from then on
SELECT
  age_hours,
  quantile_cont(engagement, 0.2) AS low,
  median(engagement) AS middle,
  quantile_cont(engagement, 0.8) AS high,
  count(engagement) AS posts
FROM marts.publication_at_age
WHERE workspace_id = $workspace_id
  AND account_id = $account_id
  AND published_at >= $since::TIMESTAMPTZ
  AND engagement IS NOT NULL
GROUP BY age_hours
HAVING count(engagement) >= 5
ORDER BY age_hours
