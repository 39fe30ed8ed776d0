-- grain: one row per valid row of `parsed`, with its key and the first line with that key
-- params: none
-- A row without post_id gets an id from its account, time, kind and its index among the different rows with the same
-- values: several posts in one minute are common, and files have no finer time.
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
  -- The same rule as in the lake: one row per publication and instant.
  first_value(line) OVER same_key AS first_line,
  row(published_at, kind, likes, comments, shares, impressions)
    IS NOT DISTINCT FROM
  first_value(row(published_at, kind, likes, comments, shares, impressions)) OVER same_key AS agrees
FROM keyed
WINDOW same_key AS (PARTITION BY account, post_id, captured_at ORDER BY line)
