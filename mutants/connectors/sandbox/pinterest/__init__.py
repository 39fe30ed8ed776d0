"""Simulated Pinterest.

Imported by `connectors.sandbox.app` only.
"""
