-- grain: one problem of one row of the file
-- params: id_column (how the file names its column of ids)
SELECT line, problem.field AS field, problem.reason AS reason
FROM (SELECT line, unnest(problems) AS problem FROM parsed)
UNION ALL
SELECT line, field, reason FROM unreadable
UNION ALL
SELECT line, $id_column, 'line ' || first_line || ' has the same ' || $id_column || ' with other values: keep one of them'
FROM identified
WHERE NOT agrees
ORDER BY line, field
