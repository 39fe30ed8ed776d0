-- grain: one publication with its last measurement at or before as_of; read by sum_overview.sql
-- params: as_of
WITH newest AS (
  SELECT
    publication_id,
    max(captured_at) AS captured_at,
    -- arg_max ignores NULL: the last known value of each counter.
    struct_pack(
      likes := arg_max(likes, captured_at),
      comments := arg_max(comments, captured_at),
      shares := arg_max(shares, captured_at),
      saves := arg_max(saves, captured_at)
    ) AS counted
  FROM raw.post_snapshots
  WHERE workspace_id = $workspace_id AND captured_at <= $as_of::TIMESTAMPTZ
  GROUP BY publication_id
)
SELECT
  workspace_id, publication_id, post_id, account_id, platform, published_at, captured_at,
  engagement(counted.likes, counted.comments, counted.shares, counted.saves) AS engagement
FROM dims.publications
LEFT JOIN newest USING (publication_id)
WHERE published_at <= $as_of::TIMESTAMPTZ
