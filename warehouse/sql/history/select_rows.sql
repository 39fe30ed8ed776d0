-- grain: one post of one account at one instant: the rows to import
-- params: none
SELECT
  line, account, post_id, published_at, kind, likes, comments, shares, impressions, paid,
  -- Few files say when their counts were read. A file was written at or after its newest post, so the time of that
  -- post is used: it depends only on the contents, and marks the last posts as young.
  coalesce(captured_at, max(published_at) OVER ()) AS captured_at,
  captured_at IS NULL AS derived
FROM identified
WHERE line = first_line
ORDER BY line
