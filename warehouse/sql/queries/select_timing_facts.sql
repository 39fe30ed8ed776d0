-- grain: one account with computed times: what holds for its whole week
-- params: workspace_id; account_ids = a list
SELECT account_id, p_chance, moved_at, suspicious_hours, shared_luck
FROM marts.timing_accounts
WHERE workspace_id = $workspace_id AND list_contains($account_ids::VARCHAR[], account_id)
ORDER BY account_id
