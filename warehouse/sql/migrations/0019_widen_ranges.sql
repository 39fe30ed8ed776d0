-- Rows that widen the range that DuckLake knows of each column: see warehouse/lake/column_ranges.py, which inserts them.
SELECT 1;
