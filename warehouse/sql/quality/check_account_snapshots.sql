-- grain: one new count of `added` that failed a check; reads the accounts' counts of the 60 days before
-- params: first (the oldest captured_at of the batch)
-- A jump is a change by more than a third and more than 100 in one step. Real jumps happen, so it is a warning.
WITH counts AS (
  SELECT
    workspace_id, account_id, captured_at, followers,
    lag(followers IGNORE NULLS) OVER (PARTITION BY account_id ORDER BY captured_at) AS before
  FROM raw.account_snapshots
  WHERE account_id IN (SELECT account_id FROM added)
    AND captured_at >= $first::TIMESTAMPTZ - INTERVAL 60 DAY
),
fresh_rows AS (SELECT counts.* FROM counts JOIN added USING (account_id, captured_at))
SELECT workspace_id, account_id, NULL::VARCHAR AS publication_id, 'negative' AS check_name, 'failed' AS severity,
       captured_at, 'followers' AS metric, followers AS value, 0::BIGINT AS compared_with
FROM fresh_rows WHERE followers < 0
UNION ALL
SELECT workspace_id, account_id, NULL, 'followers_jumped', 'warning', captured_at, 'followers', followers, before
FROM fresh_rows
WHERE abs(followers - before) > 100 AND abs(followers - before) * 3 > before
