-- grain: one row of engagement_daily that `steps` may change
-- params: since (a day: prunes old files)
CREATE OR REPLACE TEMP TABLE held AS
SELECT daily.*
FROM marts.engagement_daily AS daily
SEMI JOIN (
  SELECT publication_id, (captured_at AT TIME ZONE 'UTC')::DATE AS day FROM steps WHERE engagement IS NOT NULL
) AS changed USING (publication_id, day)
WHERE daily.day >= $since::DATE
