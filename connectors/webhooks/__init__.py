"""Signed webhook events to customers' endpoints.

Imported by the webhook deliverer in `flows.publishing` and by the API's webhook checks.
"""
