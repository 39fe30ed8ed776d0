-- grain: one publication: from its dimension row (if any) in `recomputed_publications`, else from `newest_known`
-- params: none; reads `newest_known`
CREATE OR REPLACE TEMP VIEW publication_dimensions AS
SELECT
  workspace_id, publication_id, post_id, account_id, platform, origin, kind, published_at,
  engagement_1h, engagement_24h, engagement_7d, engagement_30d
FROM newest_known
WHERE publication_id NOT IN (FROM recomputed_publications)
UNION ALL BY NAME
SELECT workspace_id, publication_id, post_id, account_id, platform, origin, kind, published_at
FROM dims.publications
WHERE publication_id IN (FROM recomputed_publications)
