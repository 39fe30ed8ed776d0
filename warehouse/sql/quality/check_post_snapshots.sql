-- grain: one metric of one new snapshot of `added` that failed a check; reads `snapshots_with_previous`
-- params: none
-- A falling counter can be a platform's correction. Negative counts and reach above impressions are impossible.
-- Impressions that exactly double while nothing else changes indicate a source that counts everything twice.
WITH
-- Nearly all snapshots pass; only suspicious ones are checked per counter.
suspicious AS (
  SELECT *
  FROM snapshots_with_previous
  WHERE least(impressions, reach, likes, comments, shares, saves, clicks, video_views) < 0
     OR impressions < before.impressions OR reach < before.reach OR likes < before.likes
     OR comments < before.comments OR shares < before.shares OR saves < before.saves
     OR clicks < before.clicks OR video_views < before.video_views
     OR reach > impressions
     OR (before.impressions >= 100 AND impressions = 2 * before.impressions)
),
new_snapshots AS (
  SELECT suspicious.*
  FROM suspicious
  JOIN (SELECT publication_id, captured_at FROM added) USING (publication_id, captured_at)
),
counters AS (
  SELECT
    workspace_id, account_id, publication_id, captured_at,
    unnest(['impressions', 'reach', 'likes', 'comments', 'shares', 'saves', 'clicks', 'video_views']) AS metric,
    unnest([impressions, reach, likes, comments, shares, saves, clicks, video_views]) AS value,
    unnest([before.impressions, before.reach, before.likes, before.comments, before.shares, before.saves,
            before.clicks, before.video_views]) AS compared_with
  FROM new_snapshots
)
SELECT workspace_id, account_id, publication_id, 'negative' AS check_name, 'failed' AS severity, captured_at,
       metric, value, 0::BIGINT AS compared_with
FROM counters WHERE value < 0
UNION ALL
SELECT workspace_id, account_id, publication_id, 'counter_fell', 'warning', captured_at, metric, value, compared_with
FROM counters WHERE value < compared_with
UNION ALL
SELECT workspace_id, account_id, publication_id, 'reach_above_impressions', 'failed', captured_at, 'reach', reach, impressions
FROM new_snapshots WHERE reach > impressions
UNION ALL
SELECT workspace_id, account_id, publication_id, 'impressions_doubled', 'warning', captured_at, 'impressions', impressions,
       before.impressions
FROM new_snapshots
WHERE before.impressions >= 100 AND impressions = 2 * before.impressions
  AND engagement(likes, comments, shares, saves)
      IS NOT DISTINCT FROM engagement(before.likes, before.comments, before.shares, before.saves)
