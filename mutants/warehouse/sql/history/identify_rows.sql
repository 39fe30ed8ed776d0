-- grain: one row per good row of `parsed`, with its key and where that key came first
-- params: none
-- A row without post_id gets one made of its account, time and kind, and of its place among the different
-- rows that share these: several posts in one minute are common, and files have no finer clock.
CREATE OR REPLACE TEMP TABLE identified AS
WITH good AS (SELECT * FROM parsed WHERE len(problems) = 0),
placed AS (
  SELECT
    *,
    min(line) OVER (
      PARTITION BY account, published_at, kind, captured_at, likes, comments, shares, impressions
    ) AS same_as
  FROM good
  WHERE post_id IS NULL
),
numbered AS (
  SELECT
    * EXCLUDE (same_as),
    dense_rank() OVER (PARTITION BY account, published_at, kind, captured_at ORDER BY same_as) AS place
  FROM placed
),
keyed AS (
  SELECT * FROM good WHERE post_id IS NOT NULL
  UNION ALL BY NAME
  SELECT
    * EXCLUDE (place) REPLACE (
      'row-' || md5(concat_ws('|', epoch_us(published_at), kind, place)) AS post_id
    )
  FROM numbered
)
SELECT
  *,
  -- As the lake's own rule says: one row per publication and moment.
  first_value(line) OVER same_key AS first_line,
  row(published_at, kind, likes, comments, shares, impressions)
    IS NOT DISTINCT FROM
  first_value(row(published_at, kind, likes, comments, shares, impressions)) OVER same_key AS agrees
FROM keyed
WINDOW same_key AS (PARTITION BY account, post_id, captured_at ORDER BY line)
