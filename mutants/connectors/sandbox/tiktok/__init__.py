"""Simulated TikTok.

Imported by `connectors.sandbox.app` only.
"""
