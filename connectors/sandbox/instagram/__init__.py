"""Simulated Instagram.

Imported by `connectors.sandbox.graph_routes` only.
"""
