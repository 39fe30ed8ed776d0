-- grain: one row per publication of `batch` that is missing in the lake or differs there
-- params: none
-- A batch without the placement, reference, planned time, deletion, promotion, number of media, tags or language of a
-- publication (a history that is read again) keeps the known ones. What a person said about promotion is no batch's.
CREATE OR REPLACE TEMP TABLE changed AS
SELECT
  fresh.publication_id, fresh.post_id, fresh.workspace_id, fresh.account_id, fresh.platform, fresh.origin,
  fresh.kind, fresh.published_at, fresh.permalink, fresh.text,
  coalesce(fresh.placement, known.placement) AS placement,
  CASE WHEN fresh.placement IS NULL THEN known.placement_share ELSE fresh.placement_share END AS placement_share,
  coalesce(fresh.external_id, known.external_id) AS external_id,
  coalesce(fresh.client_ref, known.client_ref) AS client_ref,
  coalesce(fresh.scheduled_at, known.scheduled_at) AS scheduled_at,
  coalesce(fresh.deleted_at, known.deleted_at) AS deleted_at,
  coalesce(fresh.media_count, known.media_count) AS media_count,
  -- A time that was corrected has its time of day.
  CASE
    WHEN fresh.day_only IS NULL AND known.day_only AND known.published_at IS DISTINCT FROM fresh.published_at THEN false
    ELSE coalesce(fresh.day_only, known.day_only)
  END AS day_only,
  coalesce(fresh.paid, known.paid) AS paid,
  known.marked_paid,
  length(fresh.text) AS text_length,
  hashtags_of(fresh.text) AS hashtags,
  mentions_of(fresh.text) AS mentions,
  coalesce(list_sort(list_distinct(fresh.tags)), known.tags) AS tags,
  coalesce(fresh.language, known.language) AS language
FROM (SELECT DISTINCT ON (publication_id) * FROM batch) AS fresh
LEFT JOIN (
  SELECT
    publication_id, placement, placement_share, external_id, client_ref, scheduled_at, deleted_at, media_count, day_only,
    paid, marked_paid, published_at, tags, language
  FROM dims.publications
  WHERE publication_id IN (SELECT publication_id FROM batch)
) AS known USING (publication_id)
EXCEPT
SELECT
  publication_id, post_id, workspace_id, account_id, platform, origin, kind, published_at, permalink, text,
  placement, placement_share, external_id, client_ref, scheduled_at, deleted_at, media_count, day_only, paid,
  marked_paid, text_length, hashtags, mentions, tags, language
FROM dims.publications
WHERE publication_id IN (SELECT publication_id FROM batch)
