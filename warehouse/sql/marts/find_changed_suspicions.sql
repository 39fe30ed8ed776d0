-- grain: one row of suspicious_counts of an account in `touched_accounts` that appears or disappears
-- params: none; reads `rebuilt_rows`
CREATE OR REPLACE TEMP TABLE changed_suspicions AS
WITH known AS (FROM marts.suspicious_counts WHERE account_id IN (SELECT account_id FROM touched_accounts))
SELECT *, true AS appears FROM (FROM rebuilt_rows EXCEPT FROM known)
UNION ALL
SELECT *, false FROM (FROM known EXCEPT FROM rebuilt_rows)
