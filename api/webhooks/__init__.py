"""Webhook endpoints: webhooks, the delivery log, replays.

Imported by `api.app`.
"""
