-- grain: one row of engagement_daily that `steps` may change
-- params: since (a day: prunes old files)
-- What is not recounted has been counted on a day of its new snapshots only where the one before is of that day too.
CREATE OR REPLACE TEMP TABLE held AS
SELECT daily.*
FROM marts.engagement_daily AS daily
SEMI JOIN (
  SELECT publication_id, utc_time(captured_at)::DATE AS day
  FROM steps
  WHERE engagement IS NOT NULL
    AND (
      publication_id IN (FROM recounted)
      OR utc_time(captured_at)::DATE = utc_time(counted_before.captured_at)::DATE
    )
) AS changed USING (publication_id, day)
WHERE daily.day >= $since::DATE
