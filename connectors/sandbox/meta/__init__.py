"""Shared parts of the simulated Facebook, Instagram and Threads: tokens, errors, containers, insights.

Imported by these three and `connectors.sandbox.app`.
"""
