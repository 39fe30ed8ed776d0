-- grain: one account that has posting times and is no longer in dims.accounts
-- params: none
SELECT DISTINCT account_id
FROM marts.optimal_times
WHERE account_id NOT IN (SELECT account_id FROM dims.accounts)
