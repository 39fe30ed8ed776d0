"""Simulated YouTube.

Imported by `connectors.sandbox.app` only.
"""
