"""Simulated platforms: one server that implements the wire protocols of every supported platform.

The demo, the tests and the benchmarks use it through the real connectors. No production code depends on it.
"""
