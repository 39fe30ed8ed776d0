"""Commands for the lake: analytics, SQL, exports, imports, maintenance.

Imported by `flows.cli` on demand; `settings` also by other commands that read the lake.
"""
