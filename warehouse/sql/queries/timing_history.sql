-- grain: one measured publication of the platform, whoever published it, by its newest snapshot
-- params: platform
SELECT account_id, published_at, engagement::DOUBLE AS engagement, kind, age_hours
FROM marts.publication_latest
WHERE platform = $platform AND engagement IS NOT NULL
ORDER BY account_id, published_at, publication_id
