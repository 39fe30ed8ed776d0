-- grain: one imported snapshot of a publication in `misdated`
-- params: none
-- The time of a lifetime count is that of the file's newest post, so it moves with the file's time zone.
UPDATE raw.post_snapshots
SET
  captured_at = CASE
    WHEN is_lifetime AND abs(epoch_us(misdated.published_at) - epoch_us(post_snapshots.published_at)) >= 900000000
      THEN captured_at + (misdated.published_at - post_snapshots.published_at)
    ELSE captured_at
  END,
  published_at = misdated.published_at
FROM misdated
WHERE post_snapshots.publication_id = misdated.publication_id
  AND post_snapshots.source = 'import'
  AND post_snapshots.published_at <> misdated.published_at
