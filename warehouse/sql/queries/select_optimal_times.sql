-- grain: one slot of one account, best expected lift first
-- params: workspace_id; platform, account_id, account_ids (a list; NULL = all); slots = maximum per account
SELECT times.*, accounts.handle
FROM marts.optimal_times AS times
LEFT JOIN (SELECT account_id, handle FROM dims.accounts) AS accounts USING (account_id)
WHERE workspace_id = $workspace_id
  AND ($platform::VARCHAR IS NULL OR platform = $platform)
  AND ($account_id::VARCHAR IS NULL OR account_id = $account_id)
  AND ($account_ids::VARCHAR[] IS NULL OR list_contains($account_ids::VARCHAR[], account_id))
QUALIFY row_number() OVER (PARTITION BY account_id ORDER BY expected_lift DESC, weekday, hour) <= $slots
ORDER BY account_id, expected_lift DESC, weekday, hour
