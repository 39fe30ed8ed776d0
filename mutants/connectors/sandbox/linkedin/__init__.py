"""Simulated LinkedIn.

Imported by `connectors.sandbox.app` only.
"""
