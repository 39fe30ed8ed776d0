"""Webhooks over HTTP: endpoints, the delivery log, replays.

Imported by `api.app`.
"""
