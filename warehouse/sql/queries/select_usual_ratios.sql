-- grain: one of the posts $post_ids that was measured at the age; its engagement there against its accounts' usual
-- params: workspace_id; post_ids = a list; age_hours; since = the accounts' posts from then on make their usual
-- Usual = the median of the account's posts at the same age. A post with a publication that was not measured around
-- the age has neither value: a sum over some of its accounts is not comparable.
WITH wanted AS (
  SELECT post_id, account_id, engagement
  FROM marts.publication_at_age
  WHERE workspace_id = $workspace_id AND age_hours = $age_hours AND list_contains($post_ids::VARCHAR[], post_id)
),
usual AS (
  SELECT account_id, median(engagement) AS usual, count(engagement) AS posts
  FROM marts.publication_at_age
  WHERE workspace_id = $workspace_id
    AND age_hours = $age_hours
    AND published_at >= $since::TIMESTAMPTZ
    AND account_id IN (SELECT account_id FROM wanted)
  GROUP BY account_id
)
SELECT
  post_id,
  CASE WHEN count(*) = count(engagement) THEN sum(engagement) END AS engagement,
  CASE WHEN count(*) = count(engagement) AND min(coalesce(usual.posts, 0)) >= 5 AND sum(usual) > 0
    THEN sum(engagement) / sum(usual) END AS ratio
FROM wanted
LEFT JOIN usual USING (account_id)
GROUP BY post_id
ORDER BY post_id
