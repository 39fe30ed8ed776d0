-- grain: one snapshot of a publication in `pairs` that its merged publication has too
-- params: none
DELETE FROM raw.post_snapshots
WHERE (publication_id, captured_at) IN (
  SELECT pairs.publication_id, theirs.captured_at
  FROM pairs
  JOIN raw.post_snapshots AS theirs ON theirs.publication_id = pairs.into_publication
)
