"""Simulated Telegram.

Imported by `connectors.sandbox.app` only.
"""
