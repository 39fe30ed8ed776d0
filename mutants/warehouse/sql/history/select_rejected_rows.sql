-- grain: one problem of one row of the file
-- params: none
SELECT line, problem.field AS field, problem.reason AS reason
FROM (SELECT line, unnest(problems) AS problem FROM parsed)
UNION ALL
SELECT line, 'post_id', 'line ' || first_line || ' has the same post_id with other values: keep one of them'
FROM identified
WHERE NOT agrees
ORDER BY line, field
