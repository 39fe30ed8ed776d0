"""Bluesky and any PDS of the AT Protocol.

Imported by `connectors.registry` only.
"""
