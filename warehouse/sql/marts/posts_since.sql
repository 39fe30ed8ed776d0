-- grain: one post with a publication on an account in `touched_accounts`, published on the day `since` (UTC) or later
-- params: since (a day)
CREATE OR REPLACE TEMP TABLE touched_posts AS
SELECT DISTINCT post_id
FROM marts.publication_latest
WHERE account_id IN (SELECT account_id FROM touched_accounts)
  AND (published_at AT TIME ZONE 'UTC')::DATE >= $since::DATE
