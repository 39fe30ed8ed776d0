-- grain: one publication with its last measurement; read by sum_overview.sql
-- params: none
SELECT workspace_id, publication_id, post_id, account_id, platform, published_at, captured_at, engagement
FROM marts.publication_latest
