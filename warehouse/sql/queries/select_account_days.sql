-- grain: one UTC day on which the account was counted, oldest first
-- params: workspace_id, account_id; start, "end" (of the day's last count; end is exclusive)
SELECT day AS date, captured_at, followers, following, posts, follower_growth
FROM marts.account_daily
WHERE workspace_id = $workspace_id
  AND account_id = $account_id
  AND captured_at >= $start::TIMESTAMPTZ
  AND captured_at < $end::TIMESTAMPTZ
ORDER BY day
