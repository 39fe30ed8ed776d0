-- grain: one row for the lake
-- params: none
SELECT count(*)::BIGINT AS publications FROM dims.publications
