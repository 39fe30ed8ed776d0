-- grain: every row of marts.posting_habits except those of the platforms in $kept
-- params: kept = platforms whose rows stay
DELETE FROM marts.posting_habits WHERE NOT list_contains($kept::VARCHAR[], platform)
