-- grain: all slots but those of platforms whose times could not be computed anew
-- params: kept (platforms)
DELETE FROM marts.optimal_times WHERE platform NOT IN (SELECT unnest($kept::VARCHAR[]))
