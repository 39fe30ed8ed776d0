-- grain: one publication of `pairs` that is still in the lake
-- params: into = the account that remains
UPDATE dims.publications
SET
  account_id = $into,
  publication_id = coalesce(pairs.into_publication, publications.publication_id),
  post_id = coalesce(pairs.into_post, publications.post_id)
FROM pairs
WHERE publications.publication_id = pairs.publication_id
