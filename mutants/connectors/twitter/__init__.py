"""X (Twitter) through the v2 API.

Imported by `connectors.registry` only.
"""
