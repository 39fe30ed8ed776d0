-- grain: every row of marts.optimal_times except those of the platforms in $kept; only of the accounts in $account_ids, if given
-- params: kept = platforms whose rows stay; account_ids (a list, or NULL = all)
DELETE FROM marts.optimal_times
WHERE platform NOT IN (SELECT unnest($kept::VARCHAR[]))
  AND ($account_ids::VARCHAR[] IS NULL OR account_id IN (SELECT unnest($account_ids::VARCHAR[])))
