-- grain: one publication of `shared_posts` that is not in `latest`
-- params: none
CREATE OR REPLACE TEMP TABLE other_publications AS
FROM marts.publication_latest
WHERE post_id IN (FROM shared_posts) AND publication_id NOT IN (SELECT publication_id FROM latest)
