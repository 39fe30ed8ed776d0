"""Commands for who may do what and who did what: API keys, sessions, the master key, the audit log.

Imported by `flows.cli` on demand; nothing else imports it.
"""
