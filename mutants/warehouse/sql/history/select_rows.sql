-- grain: one post of one account at one moment: the rows to import
-- params: none
SELECT
  line, account, post_id, published_at, kind, likes, comments, shares, impressions,
  -- A file says seldom when its counts were read. It was written at or after its newest post, so that moment
  -- is taken: it comes from the contents alone, and posts near the end are known to be young.
  coalesce(captured_at, max(published_at) OVER ()) AS captured_at,
  captured_at IS NULL AS derived
FROM identified
WHERE line = first_line
ORDER BY line
