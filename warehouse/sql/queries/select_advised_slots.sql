-- grain: one slot of one account
-- params: workspace_id; account_ids (a list)
SELECT account_id, timezone, weekday, hour, expected_lift, lift_low, lift_high, p_better, confidence
FROM marts.optimal_times
WHERE workspace_id = $workspace_id
  AND list_contains($account_ids::VARCHAR[], account_id)
