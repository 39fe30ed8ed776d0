-- A count whose time of reading is unknown has no age, and a counter that a snapshot lacks keeps its last known value.
ALTER TABLE raw.post_snapshots ADD COLUMN is_lifetime BOOLEAN;
COMMENT ON COLUMN raw.post_snapshots.is_lifetime IS 'true = the file does not say when the counters were read: captured_at is the earliest possible time, and the counters have no age. NULL or false = read at captured_at.';
ALTER TABLE marts.publication_latest ADD COLUMN carried VARCHAR[];
COMMENT ON COLUMN marts.publication_latest.carried IS 'Counters that the newest snapshot did not report: they have the value of the last snapshot that did. NULL = none.';
COMMENT ON TABLE marts.publication_latest IS 'Grain: one publication (publication_id) with the last known value of each counter; metrics are NULL until they are measured.';
COMMENT ON COLUMN marts.publication_latest.age_hours IS 'Hours from publishing to captured_at; NULL = not measured, or the time of reading is unknown (is_lifetime of raw.post_snapshots).';
COMMENT ON COLUMN marts.engagement_daily.gain IS 'Engagement gained; never negative. A counter that a snapshot did not report keeps its last known value.';
-- Files without captured_at were stored with the time of their newest post, or (a corrected count) with the time of the
-- import, which has microseconds.
UPDATE raw.post_snapshots SET is_lifetime = true
WHERE source = 'import'
  AND (
    captured_at IN (SELECT published_at FROM raw.post_snapshots WHERE source = 'import')
    OR (epoch_us(captured_at) % 1000000 <> 0 AND captured_at <= loaded_at AND captured_at > loaded_at - INTERVAL 1 HOUR)
  );
