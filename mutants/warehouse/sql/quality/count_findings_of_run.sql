-- grain: one check and severity of one run
-- params: run_id
SELECT check_name, severity, count(*) AS findings, count(DISTINCT account_id) AS accounts
FROM quality.findings
WHERE run_id = $run_id
GROUP BY check_name, severity
ORDER BY severity, check_name
