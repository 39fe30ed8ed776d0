-- grain: one publication of `batch` with imported snapshots that have another time of publishing than its dimension
-- params: none
CREATE OR REPLACE TEMP TABLE misdated AS
SELECT DISTINCT snapshots.publication_id, publications.published_at
FROM raw.post_snapshots AS snapshots
JOIN (
  SELECT publication_id, published_at
  FROM dims.publications
  WHERE publication_id IN (SELECT publication_id FROM batch)
) AS publications USING (publication_id)
WHERE snapshots.source = 'import' AND snapshots.published_at <> publications.published_at
