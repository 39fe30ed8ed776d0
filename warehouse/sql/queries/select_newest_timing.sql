-- grain: one row: when the newest posting times of these accounts were computed; NULL = none yet
-- params: account_ids
SELECT max(computed_at) AS computed_at
FROM marts.timing_accounts
WHERE account_id IN (SELECT unnest($account_ids::VARCHAR[]))
