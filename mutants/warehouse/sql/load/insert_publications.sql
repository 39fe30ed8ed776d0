-- grain: one row per publication in `changed`
-- params: none
INSERT INTO dims.publications BY NAME SELECT * FROM changed
