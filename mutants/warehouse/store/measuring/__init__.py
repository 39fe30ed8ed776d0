"""When metrics, followers and histories are read next, and what may still be read today.

Imported by `flows.ingestion` and by the publishing outcomes.
"""
