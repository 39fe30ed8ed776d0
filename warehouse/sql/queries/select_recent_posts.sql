-- grain: one publication of an account, newest first
-- params: workspace_id, account_id; rows = maximum
SELECT latest.post_id, latest.published_at, latest.engagement_24h, latest.engagement, publications.permalink
FROM marts.publication_latest AS latest
JOIN dims.publications AS publications USING (publication_id)
WHERE latest.workspace_id = $workspace_id AND latest.account_id = $account_id
ORDER BY latest.published_at DESC, latest.publication_id
LIMIT $rows
