-- grain: one kind of content of the platform's measured publications
-- params: platform
SELECT DISTINCT kind FROM marts.publication_latest WHERE platform = $platform AND kind IS NOT NULL ORDER BY kind
