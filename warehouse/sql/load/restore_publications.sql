-- grain: one publication of `restored`: values from before an import, as text
-- params: none
UPDATE dims.publications
SET
  published_at = restored.published_at::TIMESTAMPTZ,
  external_id = restored.external_id,
  permalink = restored.permalink,
  text = restored.text,
  text_length = length(restored.text),
  hashtags = hashtags_of(restored.text),
  mentions = mentions_of(restored.text)
FROM restored
WHERE publications.publication_id = restored.publication_id
