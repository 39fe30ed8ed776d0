-- grain: one row: the publications that were asked about, and why some of them are not in the figures
-- params: workspace_id, start, end, platform, account_id, reference_hours
SELECT
  count(*) AS publications,
  count(*) FILTER (WHERE whole IS NULL AND coalesce(age_hours, 0) < $reference_hours) AS too_young,
  count(*) FILTER (WHERE whole IS NULL AND age_hours >= $reference_hours) AS unmeasured,
  count(*) FILTER (WHERE whole < 10) AS too_small,
  count(*) FILTER (WHERE whole >= 10) AS used
FROM (
  SELECT *, CASE WHEN $reference_hours = 168 THEN engagement_7d ELSE engagement_30d END AS whole
  FROM marts.publication_latest
  WHERE workspace_id = $workspace_id
    AND published_at >= $start::TIMESTAMPTZ AND published_at < $end::TIMESTAMPTZ
    AND ($platform::VARCHAR IS NULL OR platform = $platform)
    AND ($account_id::VARCHAR IS NULL OR account_id = $account_id)
)
