"""Simulated X.

Imported by `connectors.sandbox.app` only.
"""
