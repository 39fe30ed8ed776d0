"""Signed events to customers' addresses.

Imported by the webhook deliverer in `flows.publishing` and by the API's webhook checks.
"""
