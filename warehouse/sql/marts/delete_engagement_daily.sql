-- grain: the rows of every publication in `touched`
-- params: none
DELETE FROM marts.engagement_daily WHERE publication_id IN (SELECT publication_id FROM touched)
