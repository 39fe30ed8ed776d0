"""The one way to a platform over HTTP: clients, requests and their outcomes, rate limits, redaction, fetching media.

Imported by platform connectors and by `connectors.registry`.
"""
