-- grain: one finding of a check from before older_than
-- params: older_than
DELETE FROM quality.findings WHERE found_at < $older_than::TIMESTAMPTZ
