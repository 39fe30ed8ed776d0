"""Mastodon and servers that speak its API.

Imported by `connectors.registry` only.
"""
