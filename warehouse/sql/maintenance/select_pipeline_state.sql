-- grain: one row for the lake
-- params: now
SELECT
  (SELECT max(snapshot_time) FROM ducklake_snapshots('lake')) AS newest_commit,
  (SELECT min(snapshot_time) FROM ducklake_snapshots('lake')) AS oldest_commit,
  (SELECT count(*) FROM ducklake_snapshots('lake')) AS commits,
  (SELECT max(captured_at) FROM marts.publication_latest) AS newest_measurement,
  -- Young posts are measured within their first day, so a day without measurements is a gap and not a wait.
  (SELECT count(*) FROM marts.publication_latest
   WHERE captured_at IS NULL AND published_at < $now::TIMESTAMPTZ - INTERVAL 1 DAY) AS never_measured,
  (SELECT count(*) FROM quality.findings
   WHERE severity = 'failed' AND found_at > $now::TIMESTAMPTZ - INTERVAL 1 DAY) AS failed_checks,
  (SELECT count(*) FROM quality.findings
   WHERE severity = 'warning' AND found_at > $now::TIMESTAMPTZ - INTERVAL 1 DAY) AS warnings
