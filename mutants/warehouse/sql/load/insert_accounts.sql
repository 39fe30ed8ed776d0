-- grain: one row per account in `changed`
-- params: none
INSERT INTO dims.accounts BY NAME SELECT * FROM changed
