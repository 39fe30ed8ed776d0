-- grain: one row per account and slot of `slots` (the timing model's answer, account columns joined in)
-- params: model_version, computed_at
INSERT INTO marts.optimal_times BY NAME
SELECT *, $model_version::VARCHAR AS model_version, $computed_at::TIMESTAMPTZ AS computed_at FROM slots
