"""Simulated Bluesky: a PDS and its AppView.

Imported by `connectors.sandbox.app` only.
"""
