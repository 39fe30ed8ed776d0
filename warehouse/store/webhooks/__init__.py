"""Webhooks in the store: endpoints, the outbox, deliveries and their log.

Imported by the API's webhook routes, the deliverer, and every module that emits an event.
"""
