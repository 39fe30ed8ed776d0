"""HTTP access to platforms: clients, request outcomes, rate limits, redaction, media downloads.

Imported by platform connectors and by `connectors.registry`.
"""
