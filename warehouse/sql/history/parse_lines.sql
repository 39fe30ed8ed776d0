-- grain: one row per row of the file, with its problems; reads the relation `lines` (all text)
-- params: zone, offset_minutes (see to_instant), account (NULL = the file's column), now
CREATE OR REPLACE TEMP TABLE parsed AS
WITH cleaned AS (
  SELECT
    line,
    coalesce($account::VARCHAR, cleaned(account)) AS account,
    cleaned(post_id) AS post_id,
    cleaned(published_at) AS published_at,
    cleaned(captured_at) AS captured_at,
    lower(cleaned(kind)) AS kind,
    cleaned(likes) AS likes,
    cleaned(comments) AS comments,
    cleaned(shares) AS shares,
    cleaned(impressions) AS impressions,
    lower(cleaned(paid)) AS paid
  FROM lines
),
typed AS (
  SELECT
    *,
    to_instant(published_at, $zone::VARCHAR, $offset_minutes::BIGINT) AS published,
    to_instant(captured_at, $zone::VARCHAR, $offset_minutes::BIGINT) AS captured
  FROM cleaned
)
SELECT
  line,
  account,
  post_id,
  published AS published_at,
  captured AS captured_at,
  CASE
    WHEN kind IN ('photo', 'image', 'picture', 'album', 'carousel', 'carousel_album', 'gif') THEN 'photo'
    WHEN kind IN ('video', 'reel', 'reels', 'live', 'short', 'animated_gif') THEN 'video'
    -- An event is shown as a card with a link.
    WHEN kind IN ('link', 'share', 'event', 'article') THEN 'link'
    ELSE 'text'
  END AS kind,
  CASE WHEN kind NOT IN (
    'photo', 'image', 'picture', 'album', 'carousel', 'carousel_album', 'gif',
    'video', 'reel', 'reels', 'live', 'short', 'animated_gif',
    'link', 'share', 'event', 'article',
    'text', 'status', 'note', 'tweet'
  ) THEN kind END AS unknown_kind,
  to_count(likes) AS likes,
  to_count(comments) AS comments,
  to_count(shares) AS shares,
  to_count(impressions) AS impressions,
  paid IN ('true', 'yes', '1', '1.0', 't', 'y') AS paid,
  list_filter(
    [
      CASE WHEN account IS NULL THEN {'field': 'account', 'reason': 'is missing: name the account'} END,
      CASE
        WHEN published_at IS NULL THEN {'field': 'published_at', 'reason': 'is missing'}
        ELSE instant_problem('published_at', published_at, published, TIMESTAMPTZ '1990-01-01 00:00:00+00', $now::TIMESTAMPTZ)
      END,
      count_problem('likes', likes),
      count_problem('comments', comments),
      count_problem('shares', shares),
      count_problem('impressions', impressions),
      CASE
        WHEN paid NOT IN ('true', 'yes', '1', '1.0', 't', 'y', 'false', 'no', '0', '0.0', 'f', 'n')
          THEN {'field': 'paid', 'reason': '''' || paid[:40] || ''' is neither true nor false: leave empty what is unknown'}
      END,
      CASE
        WHEN captured_at IS NULL THEN NULL
        WHEN captured < published THEN {'field': 'captured_at', 'reason': captured_at || ' is before published_at'}
        ELSE instant_problem('captured_at', captured_at, captured, TIMESTAMPTZ '1990-01-01 00:00:00+00', $now::TIMESTAMPTZ)
      END,
      CASE WHEN length(post_id) > 300 THEN {'field': 'post_id', 'reason': 'is longer than 300 characters'} END
    ],
    lambda problem: problem IS NOT NULL
  ) AS problems
FROM typed
