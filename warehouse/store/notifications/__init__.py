"""Notifications to people, sent and waiting: kept in the outbox of webhooks, with its events.

Imported by `warehouse.planning.news`, `flows.notifications` and the doctor.
"""
