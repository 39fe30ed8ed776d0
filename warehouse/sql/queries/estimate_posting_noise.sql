-- grain: one account with at least 20 pairs of consecutive grown posts: the noise of one post, in log units
-- params: workspace_id, account_ids (a list), since
-- Half the mean square of the difference between consecutive posts: a level that drifts over months does not count as
-- noise, as it would in a standard deviation over all posts.
WITH steps AS (
  SELECT
    account_id,
    ln(1 + engagement)
      - lag(ln(1 + engagement)) OVER (PARTITION BY account_id ORDER BY published_at, publication_id) AS step
  FROM marts.publication_latest
  WHERE workspace_id = $workspace_id
    AND list_contains($account_ids::VARCHAR[], account_id)
    AND published_at >= $since::TIMESTAMPTZ
    AND engagement IS NOT NULL
    AND coalesce(age_hours, (epoch(captured_at) - epoch(published_at)) / 3600) >= 48
)
SELECT account_id, sqrt(avg(step * step) / 2) AS noise
FROM steps
GROUP BY account_id
HAVING count(step) >= 20
