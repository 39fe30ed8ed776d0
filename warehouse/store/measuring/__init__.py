"""Measurement plan: when metrics, followers and histories are read next, and the daily read budgets.

Imported by `flows.ingestion` and by the publishing outcomes.
"""
