-- grain: one row per valid row of `parsed`, with its key and the first line with that key
-- params: none
-- A row without an id gets one from its account, time, kind and its index among the different rows with the same
-- values: several posts in one minute are common, and files have no finer time.
-- Texts stay in `parsed`: windows sort what they carry, and long texts would not fit into the memory for that.
CREATE OR REPLACE TEMP TABLE identified AS
WITH good AS (
  SELECT
    line, account, external_id, kind, published_at, day_only, measured_at, likes, comments, shares, impressions,
    CASE WHEN external_id IS NULL THEN md5(text) END AS text_md5,
    -- The same rule as in the lake: one row per publication and instant.
    hash(row(
      published_at, kind, impressions, reach, views, likes, comments, shares, saves, clicks, follows, video_views,
      watch_seconds, engagement_rate
    )) AS measured
  FROM parsed
  WHERE len(problems) = 0
),
placed AS (
  SELECT
    *,
    min(line) OVER (
      PARTITION BY account, published_at, kind, measured_at, likes, comments, shares, impressions, text_md5
    ) AS same_as
  FROM good
  WHERE external_id IS NULL
),
numbered AS (
  SELECT
    * EXCLUDE (same_as),
    dense_rank() OVER (PARTITION BY account, published_at, kind, measured_at ORDER BY same_as) AS place
  FROM placed
),
keyed AS (
  SELECT line, account, external_id, published_at, day_only, measured_at, measured, false AS derived_id
  FROM good
  WHERE external_id IS NOT NULL
  UNION ALL BY NAME
  SELECT
    line, account, published_at, day_only, measured_at, measured,
    'row-' || md5(concat_ws('|', epoch_us(published_at), coalesce(kind, 'text'), place)) AS external_id,
    true AS derived_id
  FROM numbered
)
SELECT
  * EXCLUDE (measured),
  first_value(line) OVER same_key AS first_line,
  measured = first_value(measured) OVER same_key AS agrees
FROM keyed
WINDOW same_key AS (PARTITION BY account, external_id, measured_at ORDER BY line)
