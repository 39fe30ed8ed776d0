-- grain: one group of an account's posts at the age of 24 hours: `part` = kind, length or hashtag, and its name
-- params: workspace_id, account_id, start, "end" (of published_at; end is exclusive)
WITH posts AS MATERIALIZED (
  SELECT at_age.engagement, publications.kind, publications.text_length, publications.hashtags
  FROM marts.publication_at_age AS at_age
  JOIN dims.publications AS publications USING (publication_id)
  WHERE at_age.workspace_id = $workspace_id
    AND at_age.account_id = $account_id
    AND at_age.age_hours = 24
    AND at_age.published_at >= $start::TIMESTAMPTZ
    AND at_age.published_at < $end::TIMESTAMPTZ
)
SELECT 'kind' AS part, kind AS name, count(*) AS posts, count(engagement) AS measured, median(engagement) AS typical
FROM posts
GROUP BY kind
UNION ALL
SELECT
  'length',
  CASE
    WHEN text_length < 80 THEN '1. under 80 characters'
    WHEN text_length < 160 THEN '2. 80 to 159'
    WHEN text_length < 280 THEN '3. 160 to 279'
    ELSE '4. 280 and more'
  END AS name,
  count(*), count(engagement), median(engagement)
FROM posts
WHERE text_length IS NOT NULL
GROUP BY name
UNION ALL
(
  SELECT 'hashtag', tag, count(*), count(engagement), median(engagement)
  FROM (SELECT unnest(hashtags) AS tag, engagement FROM posts)
  GROUP BY tag
  ORDER BY count(*) DESC, tag
  LIMIT 10
)
ORDER BY part, name
