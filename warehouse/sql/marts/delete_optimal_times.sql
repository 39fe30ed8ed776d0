-- grain: one slot, except those of platforms whose times could not be recomputed
-- params: kept (platforms)
DELETE FROM marts.optimal_times WHERE platform NOT IN (SELECT unnest($kept::VARCHAR[]))
