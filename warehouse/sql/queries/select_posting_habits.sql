-- grain: one finding about one account
-- params: workspace_id; account_ids = a list
SELECT account_id, subject, label, n_posts, effect, low, high, known
FROM marts.posting_habits
WHERE workspace_id = $workspace_id AND list_contains($account_ids::VARCHAR[], account_id)
ORDER BY account_id, subject, effect DESC, label
