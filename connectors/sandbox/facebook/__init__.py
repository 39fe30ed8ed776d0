"""Simulated Facebook Pages.

Imported by `connectors.sandbox.graph_routes` only.
"""
