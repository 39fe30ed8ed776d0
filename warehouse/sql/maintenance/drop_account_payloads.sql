-- grain: one account snapshot loaded before older_than: its payload is removed, its numbers stay
-- params: older_than
UPDATE raw.account_snapshots SET raw = NULL WHERE raw IS NOT NULL AND loaded_at < $older_than::TIMESTAMPTZ
