"""Simulated Threads.

Imported by `connectors.sandbox.graph_routes` only.
"""
