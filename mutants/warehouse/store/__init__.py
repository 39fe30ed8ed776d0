"""The operational store: posts, accounts, claims, keys. SQLite by default, PostgreSQL for several machines."""
