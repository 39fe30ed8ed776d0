-- grain: one row per account of `batch` that is missing in the lake or differs there
-- params: none
-- The time zone is never NULL: UTC for an account without one, and for a name unknown to DuckDB's zone database, which
-- must not fail a load.
CREATE OR REPLACE TEMP TABLE changed AS
SELECT
  account_id, workspace_id, platform, handle, display_name,
  CASE WHEN timezone IN (SELECT name FROM pg_timezone_names()) THEN timezone ELSE 'UTC' END AS timezone
FROM (SELECT DISTINCT ON (account_id) * FROM batch)
EXCEPT
SELECT account_id, workspace_id, platform, handle, display_name, timezone
FROM dims.accounts
WHERE account_id IN (SELECT account_id FROM batch)
