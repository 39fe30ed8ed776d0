-- grain: one row to import, with its place in the order of importing
-- params: few_accounts
-- In the order of time where that leaves each account many rows in a batch: ids of posts begin with their time, so that
-- indexes and files of the store and the lake grow at their end. Else by account.
CREATE OR REPLACE TEMP TABLE row_order AS
SELECT
  line,
  row_number() OVER (
    ORDER BY
      CASE WHEN NOT $few_accounts::BOOLEAN THEN account END NULLS FIRST,
      CASE WHEN $few_accounts::BOOLEAN THEN published_at END,
      line
  ) AS place
FROM identified
WHERE line = first_line
