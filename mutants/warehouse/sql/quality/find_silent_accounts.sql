-- grain: one account whose followers were last counted more than `hours` ago
-- params: now, hours
SELECT accounts.workspace_id, accounts.account_id, NULL::VARCHAR AS publication_id, 'account_silent' AS check_name,
       'warning' AS severity, max(captured_at) AS captured_at, 'followers' AS metric,
       date_diff('hour', max(captured_at), $now::TIMESTAMPTZ) AS value, $hours::BIGINT AS compared_with
FROM marts.account_daily AS daily
JOIN (SELECT account_id, workspace_id FROM dims.accounts) AS accounts USING (account_id)
GROUP BY accounts.workspace_id, accounts.account_id
HAVING max(captured_at) < $now::TIMESTAMPTZ - INTERVAL 1 HOUR * $hours::BIGINT
