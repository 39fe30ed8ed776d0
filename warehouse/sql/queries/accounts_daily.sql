-- grain: one account and UTC day on which it was measured, oldest day first
-- params: workspace_id, first, last (days, both included), account_id (NULL = all)
SELECT account_id, platform, day, captured_at, followers, following, posts, follower_growth
FROM marts.account_daily
LEFT JOIN (SELECT account_id, platform FROM dims.accounts) USING (account_id)
WHERE workspace_id = $workspace_id
  AND day BETWEEN $first::DATE AND $last::DATE
  AND ($account_id::VARCHAR IS NULL OR account_id = $account_id)
ORDER BY day, account_id
