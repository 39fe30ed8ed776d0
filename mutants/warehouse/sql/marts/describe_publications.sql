-- grain: the dimension row of each publication in `recounted` that has one; of the others, as it is known already
-- params: none; reads `newest_known`
CREATE OR REPLACE TEMP VIEW described AS
SELECT
  workspace_id, publication_id, post_id, account_id, platform, origin, kind, published_at,
  engagement_1h, engagement_24h, engagement_7d, engagement_30d
FROM newest_known
WHERE publication_id NOT IN (FROM recounted)
UNION ALL BY NAME
SELECT workspace_id, publication_id, post_id, account_id, platform, origin, kind, published_at
FROM dims.publications
WHERE publication_id IN (FROM recounted)
