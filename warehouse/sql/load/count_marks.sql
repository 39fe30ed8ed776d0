-- grain: one row: how many publications of the lake are marked as deleted, and as promoted or not by a person
-- params: none
SELECT count(deleted_at) AS deleted, count(marked_paid) AS marked
FROM dims.publications
