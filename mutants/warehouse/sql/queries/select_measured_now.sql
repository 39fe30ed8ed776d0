-- grain: one publication, measured last as the lake knows it now; the relation that sum_overview.sql reads
-- params: none
SELECT workspace_id, publication_id, post_id, account_id, platform, published_at, captured_at, engagement
FROM marts.publication_latest
