-- grain: one account snapshot whose payload was loaded before older_than: it keeps its numbers and loses the payload
-- params: older_than
UPDATE raw.account_snapshots SET raw = NULL WHERE raw IS NOT NULL AND loaded_at < $older_than::TIMESTAMPTZ
