"""What is told to people, and what is still to be sent: kept in the outbox of webhooks, beside its events.

Imported by `warehouse.planning.news`, `flows.notifications` and the doctor.
"""
