"""Simulated Instagram.

Imported by `connectors.sandbox.meta.routes` only.
"""
