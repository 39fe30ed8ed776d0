-- grain: one publication of `added` whose new snapshots all follow the newest known one
-- params: none; reads `newest_known`
-- Its marts go on from there, without its older snapshots. Not where the newest has no engagement: the daily gain
-- then counts from an older one.
CREATE OR REPLACE TEMP TABLE continued AS
SELECT newest_known.*
FROM newest_known
JOIN (SELECT publication_id, min(captured_at) AS first_added FROM added GROUP BY publication_id) USING (publication_id)
WHERE newest_known.captured_at IS NULL
   OR (newest_known.engagement IS NOT NULL AND first_added > newest_known.captured_at)
