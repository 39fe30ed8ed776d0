-- grain: one account, of every workspace
-- params: none
SELECT account_id, workspace_id, platform, timezone FROM dims.accounts ORDER BY platform, account_id
