-- grain: one account and age of 1, 24, 168 and 720 hours (account_id, age_hours): what its posts usually have at that age. From its posts of the 90 days before its newest measurement that were measured around the age; estimates are left out.
-- params: none
-- columns:
--   workspace_id: Tenant.
--   account_id: Key into dims.accounts.
--   platform: The account's platform.
--   age_hours: Hours since publishing: 1, 24, 168 (7 days) or 720 (30 days).
--   posts: Number of posts that the figures are from.
--   published_from: Publishing of the earliest of them (UTC).
--   published_to: Publishing of the latest of them (UTC).
--   usual: Median engagement of these posts at that age. NULL = not known: fewer than 5 posts.
--   usual_low: First quartile: a quarter of the posts have less. NULL = same.
--   usual_high: Third quartile: a quarter of the posts have more. NULL = same.
SELECT
  workspace_id,
  account_id,
  platform,
  age_hours,
  count(*) AS posts,
  min(published_at) AS published_from,
  max(published_at) AS published_to,
  CASE WHEN count(*) >= 5 THEN median(engagement) END AS usual,
  CASE WHEN count(*) >= 5 THEN quantile_cont(engagement, 0.25) END AS usual_low,
  CASE WHEN count(*) >= 5 THEN quantile_cont(engagement, 0.75) END AS usual_high
FROM (
  SELECT
    latest.workspace_id,
    latest.account_id,
    latest.platform,
    latest.published_at,
    ages.age_hours,
    CASE ages.age_hours
      WHEN 1 THEN latest.engagement_1h
      WHEN 24 THEN latest.engagement_24h
      WHEN 168 THEN latest.engagement_7d
      ELSE latest.engagement_30d
    END AS engagement
  FROM marts.publication_latest AS latest
  JOIN (
    SELECT account_id, max(captured_at) AS newest FROM marts.publication_latest GROUP BY account_id
  ) AS measured ON measured.account_id = latest.account_id
  CROSS JOIN (VALUES (1), (24), (168), (720)) AS ages (age_hours)
  WHERE latest.published_at > measured.newest - INTERVAL 90 DAY
) AS posts_at_ages
WHERE engagement IS NOT NULL
GROUP BY workspace_id, account_id, platform, age_hours
