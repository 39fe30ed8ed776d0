-- grain: the rows of every publication in `touched`
-- params: none
DELETE FROM marts.publication_latest WHERE publication_id IN (SELECT publication_id FROM touched)
