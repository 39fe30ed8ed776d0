"""Planned times in the store: queue slots, placements, recurrence rules and their occurrences, calendar feeds.

Imported by `warehouse.planning`, `warehouse.scheduling`, the API and the flows.
"""
