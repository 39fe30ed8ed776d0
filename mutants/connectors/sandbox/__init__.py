"""Simulated platforms: one server that speaks the wire protocols of X, Instagram, Mastodon and Bluesky.

The demo, the tests and the benchmarks use it through the real connectors. Nothing of the product needs it.
"""
