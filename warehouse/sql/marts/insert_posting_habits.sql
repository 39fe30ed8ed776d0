-- grain: one row per finding of `habits` (`place` is the index of its account in `accounts`)
-- params: computed_at
INSERT INTO marts.posting_habits BY NAME
SELECT
  accounts.workspace_id,
  accounts.account_id,
  accounts.platform,
  habits.* EXCLUDE (place),
  $computed_at::TIMESTAMPTZ AS computed_at
FROM habits
INNER JOIN accounts ON accounts.place = habits.place
ORDER BY accounts.account_id, habits.subject, habits.label
