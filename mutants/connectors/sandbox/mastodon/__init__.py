"""A simulated Mastodon instance.

Imported by `connectors.sandbox.app` only.
"""
