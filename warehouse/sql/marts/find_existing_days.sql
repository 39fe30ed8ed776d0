-- grain: one row of engagement_daily that `snapshots_with_previous` may change
-- params: since (a day: prunes old files)
-- A publication that is not recomputed has a row on the day of a new snapshot only if its previous one is of that day.
CREATE OR REPLACE TEMP TABLE existing_days AS
SELECT daily.*
FROM marts.engagement_daily AS daily
SEMI JOIN (
  SELECT publication_id, utc_time(captured_at)::DATE AS day
  FROM snapshots_with_previous
  WHERE engagement IS NOT NULL
    AND (
      publication_id IN (FROM recomputed_publications)
      OR utc_time(captured_at)::DATE = utc_time(counted_before.captured_at)::DATE
    )
) AS changed USING (publication_id, day)
WHERE daily.day >= $since::DATE
