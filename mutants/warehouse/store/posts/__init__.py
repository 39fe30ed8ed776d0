"""Posts as their authors wrote them: rows, versions, approvals, duplicates, media, and posts found elsewhere.

Imported by `warehouse.planning`, the API, the flows and the command line.
"""
