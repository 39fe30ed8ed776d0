-- grain: one publication with its latest and equal-age metrics, newest first
-- params: workspace_id; start, "end" (of published_at; end is exclusive), platform, account_id, post_ids (NULL = all)
-- The names of `import-history`: importing the file gives the same rows. A count without an age has no captured_at.
SELECT
  latest.platform,
  accounts.handle AS account,
  coalesce(publications.external_id, latest.publication_id) AS post_id,
  publications.permalink,
  latest.kind,
  publications.text,
  latest.published_at,
  CASE WHEN latest.age_hours IS NOT NULL THEN latest.captured_at END AS captured_at,
  latest.impressions,
  latest.reach,
  latest.likes,
  latest.comments,
  latest.shares,
  latest.saves,
  latest.clicks,
  latest.video_views,
  latest.engagement,
  latest.engagement_1h,
  latest.engagement_24h,
  latest.engagement_7d,
  latest.engagement_30d,
  latest.origin,
  latest.post_id AS socialflow_post_id
FROM marts.publication_latest AS latest
LEFT JOIN dims.publications AS publications ON publications.publication_id = latest.publication_id
LEFT JOIN dims.accounts AS accounts ON accounts.account_id = latest.account_id
WHERE latest.workspace_id = $workspace_id
  AND ($start::TIMESTAMPTZ IS NULL OR latest.published_at >= $start)
  AND ($end::TIMESTAMPTZ IS NULL OR latest.published_at < $end)
  AND ($platform::VARCHAR IS NULL OR latest.platform = $platform)
  AND ($account_id::VARCHAR IS NULL OR latest.account_id = $account_id)
  AND ($post_ids::VARCHAR[] IS NULL OR list_contains($post_ids::VARCHAR[], latest.post_id))
ORDER BY latest.published_at DESC, latest.publication_id
