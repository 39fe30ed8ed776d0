"""Simulated Facebook Pages.

Imported by `connectors.sandbox.meta.routes` only.
"""
