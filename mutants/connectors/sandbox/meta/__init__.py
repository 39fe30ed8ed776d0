"""What the simulated Facebook, Instagram and Threads share: one host, tokens, errors, containers, insights.

Imported by these three and `connectors.sandbox.app`.
"""
