-- grain: one kind of content that a measured publication of the platform has
-- params: platform
SELECT DISTINCT kind FROM marts.publication_latest WHERE platform = $platform AND kind IS NOT NULL ORDER BY kind
