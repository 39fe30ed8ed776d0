"""Threads profiles through the Threads API.

Imported by `connectors.registry` only.
"""
