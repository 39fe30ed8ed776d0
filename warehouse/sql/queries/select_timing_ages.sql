-- grain: one snapshot of one of the platform's newest $posts posts that were measured at $grown_up hours or later:
--   the snapshots before that age, and the newest
-- params: platform; grown_up = hours; posts = maximum number
WITH grown AS (
  SELECT publication_id, published_at, age_hours, engagement
  FROM marts.publication_latest
  WHERE platform = $platform AND age_hours >= $grown_up AND engagement IS NOT NULL
  ORDER BY published_at DESC, publication_id
  LIMIT $posts
),
young AS (
  SELECT
    snapshots.publication_id,
    (epoch(snapshots.captured_at) - epoch(grown.published_at)) / 3600 AS age_hours,
    engagement(snapshots.likes, snapshots.comments, snapshots.shares, snapshots.saves) AS engagement
  FROM raw.post_snapshots AS snapshots
  INNER JOIN grown USING (publication_id)
  WHERE snapshots.is_lifetime IS NOT TRUE
    AND snapshots.published_at >= (SELECT min(published_at) FROM grown) - INTERVAL 1 DAY
)
SELECT publication_id, age_hours, engagement::DOUBLE AS engagement
FROM young
WHERE age_hours >= 0 AND age_hours < $grown_up AND engagement IS NOT NULL
UNION ALL
SELECT publication_id, age_hours, engagement::DOUBLE AS engagement FROM grown
ORDER BY publication_id, age_hours
