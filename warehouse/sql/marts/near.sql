-- grain: one publication of an account in `touched_accounts` or a post in `touched_posts`, with its ages side by side
-- params: none
CREATE OR REPLACE TEMP TABLE near AS
WITH latest AS (
  SELECT *
  FROM marts.publication_latest
  WHERE account_id IN (SELECT account_id FROM touched_accounts) OR post_id IN (SELECT post_id FROM touched_posts)
),
at_age AS (
  SELECT
    publication_id,
    max(engagement) FILTER (WHERE age_hours = 1) AS at_1h,
    max(engagement) FILTER (WHERE age_hours = 24) AS at_24h,
    max(engagement) FILTER (WHERE age_hours = 168) AS at_7d,
    max(engagement) FILTER (WHERE age_hours = 720) AS at_30d
  FROM marts.publication_at_age
  WHERE engagement IS NOT NULL AND publication_id IN (SELECT publication_id FROM latest)
  GROUP BY publication_id
)
SELECT latest.*, at_1h, at_24h, at_7d, at_30d
FROM latest
LEFT JOIN at_age USING (publication_id)
