-- grain: one row per account of `batch` that is missing in the lake or differs there
-- params: none
-- The time zone is never NULL: UTC for an account without one, and for a name unknown to DuckDB's zone database, which
-- must not fail a load. A batch without the platform's id of an account keeps the known one.
CREATE OR REPLACE TEMP TABLE changed AS
SELECT
  fresh.account_id, fresh.workspace_id, fresh.platform, fresh.handle, fresh.display_name,
  CASE WHEN fresh.timezone IN (SELECT name FROM pg_timezone_names()) THEN fresh.timezone ELSE 'UTC' END AS timezone,
  coalesce(fresh.external_id, known.external_id) AS external_id
FROM (SELECT DISTINCT ON (account_id) * FROM batch) AS fresh
LEFT JOIN (
  SELECT account_id, external_id FROM dims.accounts WHERE account_id IN (SELECT account_id FROM batch)
) AS known USING (account_id)
EXCEPT
SELECT account_id, workspace_id, platform, handle, display_name, timezone, external_id
FROM dims.accounts
WHERE account_id IN (SELECT account_id FROM batch)
