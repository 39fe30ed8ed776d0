-- grain: one row per account of `facts` (`place` is its index in `accounts`)
-- params: computed_at
INSERT INTO marts.timing_accounts BY NAME
SELECT
  accounts.workspace_id,
  accounts.account_id,
  accounts.platform,
  facts.* EXCLUDE (place),
  $computed_at::TIMESTAMPTZ AS computed_at
FROM facts
INNER JOIN accounts ON accounts.place = facts.place
ORDER BY accounts.account_id
