-- grain: one count of followers of an account in `touched_accounts` that is not believed
-- params: none
-- zero: no followers (or fewer) although the nearest count that has some is above 100. spike: the count changed by more
-- than a third and by more than 100, and the next one is back at the former level. unconfirmed: it changed so within
-- 3 days, and there is no next count yet. A jump that the next count confirms is believed.
WITH counts AS (
  SELECT workspace_id, account_id, captured_at, followers
  FROM raw.account_snapshots
  WHERE followers IS NOT NULL AND account_id IN (SELECT account_id FROM touched_accounts)
),
beside AS (
  SELECT
    *,
    last_value(nullif(greatest(followers, 0), 0) IGNORE NULLS) OVER (
      PARTITION BY account_id ORDER BY captured_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS some_before,
    first_value(nullif(greatest(followers, 0), 0) IGNORE NULLS) OVER (
      PARTITION BY account_id ORDER BY captured_at ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
    ) AS some_after
  FROM counts
),
zeros AS (
  SELECT *, followers <= 0 AND greatest(coalesce(some_before, 0), coalesce(some_after, 0)) > 100 AS zero
  FROM beside
),
steps AS (
  SELECT *, lag(followers) OVER by_time AS before, lead(followers) OVER by_time AS after
  FROM zeros
  WHERE NOT zero
  WINDOW by_time AS (PARTITION BY account_id ORDER BY captured_at)
),
spikes AS (
  SELECT
    *,
    coalesce(
      abs(followers - before) > 100 AND abs(followers - before) * 3 > before
        AND (abs(after - before) <= 100 OR abs(after - before) * 3 <= before),
      false
    ) AS spike
  FROM steps
),
-- Compared with the last count that is no spike itself.
newest AS (
  SELECT
    * EXCLUDE (before),
    lag(followers) OVER by_time AS before,
    lag(captured_at) OVER by_time AS before_at
  FROM spikes
  WHERE NOT spike
  WINDOW by_time AS (PARTITION BY account_id ORDER BY captured_at)
  QUALIFY lead(captured_at) OVER by_time IS NULL
)
SELECT workspace_id, account_id, captured_at, followers,
       CASE WHEN some_before > 100 THEN some_before ELSE some_after END AS compared_with, 'zero' AS reason
FROM zeros
WHERE zero
UNION ALL
SELECT workspace_id, account_id, captured_at, followers, before, 'spike'
FROM spikes
WHERE spike
UNION ALL
SELECT workspace_id, account_id, captured_at, followers, before, 'unconfirmed'
FROM newest
WHERE abs(followers - before) > 100 AND abs(followers - before) * 3 > before
  AND captured_at - before_at <= INTERVAL 3 DAY
