-- grain: one of the given posts of a workspace, with its text and links
-- params: workspace_id, post_ids
-- A post on several accounts may have different texts; the text of the first platform by name is used.
SELECT
  post_id,
  arg_min(text, platform) FILTER (WHERE text <> '') AS text,
  list({platform: platform, permalink: permalink} ORDER BY platform, publication_id) AS places
FROM dims.publications
WHERE workspace_id = $workspace_id AND post_id IN (SELECT unnest($post_ids::VARCHAR[]))
GROUP BY post_id
