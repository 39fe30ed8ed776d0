-- grain: every row of marts.timing_accounts except those of the platforms in $kept
-- params: kept = platforms whose rows stay
DELETE FROM marts.timing_accounts WHERE NOT list_contains($kept::VARCHAR[], platform)
