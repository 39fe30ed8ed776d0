-- grain: the rows of every account in `touched`
-- params: none
DELETE FROM marts.account_daily WHERE account_id IN (SELECT account_id FROM touched)
