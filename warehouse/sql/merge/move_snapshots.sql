-- grain: one snapshot of a publication in `pairs`
-- params: into = the account that remains
UPDATE raw.post_snapshots
SET account_id = $into, publication_id = coalesce(pairs.into_publication, post_snapshots.publication_id)
FROM pairs
WHERE post_snapshots.publication_id = pairs.publication_id
