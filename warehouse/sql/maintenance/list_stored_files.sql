-- grain: one file in the lake's bucket
-- params: pattern
SELECT file FROM glob($pattern::VARCHAR)
