-- grain: one row per account of `batch` that is missing in the lake or differs there
-- params: none
CREATE OR REPLACE TEMP TABLE changed AS
SELECT account_id, workspace_id, platform, handle, display_name, timezone
FROM (SELECT DISTINCT ON (account_id) * FROM batch)
EXCEPT
SELECT account_id, workspace_id, platform, handle, display_name, timezone
FROM dims.accounts
WHERE account_id IN (SELECT account_id FROM batch)
