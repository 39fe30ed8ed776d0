-- grain: one row per publication of `batch` that is missing in the lake or differs there
-- params: none
-- A batch without the placement of a publication (a history that is read again) keeps the known placement.
CREATE OR REPLACE TEMP TABLE changed AS
SELECT
  fresh.publication_id, fresh.post_id, fresh.workspace_id, fresh.account_id, fresh.platform, fresh.origin,
  fresh.kind, fresh.published_at, fresh.permalink, fresh.text,
  coalesce(fresh.placement, known.placement) AS placement,
  CASE WHEN fresh.placement IS NULL THEN known.placement_share ELSE fresh.placement_share END AS placement_share
FROM (SELECT DISTINCT ON (publication_id) * FROM batch) AS fresh
LEFT JOIN (
  SELECT publication_id, placement, placement_share
  FROM dims.publications
  WHERE publication_id IN (SELECT publication_id FROM batch)
) AS known USING (publication_id)
EXCEPT
SELECT
  publication_id, post_id, workspace_id, account_id, platform, origin, kind, published_at, permalink, text,
  placement, placement_share
FROM dims.publications
WHERE publication_id IN (SELECT publication_id FROM batch)
