-- grain: the old row of each account in `changed`
-- params: none
DELETE FROM dims.accounts WHERE account_id IN (SELECT account_id FROM changed)
