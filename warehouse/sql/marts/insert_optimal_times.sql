-- grain: one row per account and slot of `slots` (numeric; `place` is the index of its account in `accounts`)
-- params: model_version, computed_at; bases, confidences = names for the indices (from 0) in `slots`
INSERT INTO marts.optimal_times BY NAME
SELECT
  accounts.workspace_id,
  accounts.account_id,
  accounts.platform,
  accounts.timezone,
  slots.* EXCLUDE (place, basis, confidence),
  list_extract($bases::VARCHAR[], slots.basis + 1) AS basis,
  list_extract($confidences::VARCHAR[], slots.confidence + 1) AS confidence,
  $model_version::VARCHAR AS model_version,
  $computed_at::TIMESTAMPTZ AS computed_at
FROM slots
INNER JOIN accounts ON accounts.place = slots.place
ORDER BY accounts.account_id, slots.weekday, slots.hour
