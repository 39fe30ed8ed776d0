"""Posts: rows, versions, approvals, duplicates, media, idempotency keys, and posts published elsewhere.

Imported by `warehouse.planning`, the API, the flows and the command line.
"""
