-- grain: one publication placed by an experiment, with its engagement at the requested age
-- params: workspace_id; platform, account_id (NULL = all); age_hours (one of marts.publication_at_age)
-- `due`: whether the publication had twice that age at the workspace's newest measurement, because the value at an age
-- needs a snapshot after it. Does not use the clock, so that the result changes only with the lake.
WITH newest AS (
  SELECT max(captured_at) AS captured_at FROM marts.publication_latest WHERE workspace_id = $workspace_id
)
SELECT
  publications.post_id,
  publications.account_id,
  publications.platform,
  publications.placement,
  publications.placement_share,
  aged.engagement,
  publications.published_at + to_hours(2 * $age_hours::INTEGER) <= newest.captured_at AS due,
  newest.captured_at AS as_of
FROM dims.publications AS publications
CROSS JOIN newest
LEFT JOIN (
  SELECT publication_id, engagement FROM marts.publication_at_age WHERE age_hours = $age_hours
) AS aged USING (publication_id)
WHERE publications.workspace_id = $workspace_id
  AND publications.placement IN ('recommended', 'random')
  AND publications.placement_share > 0
  AND ($platform::VARCHAR IS NULL OR publications.platform = $platform)
  AND ($account_id::VARCHAR IS NULL OR publications.account_id = $account_id)
ORDER BY publications.publication_id
