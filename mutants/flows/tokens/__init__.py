"""Keeping access tokens fresh.

Imported by `flows.deployments`, the publisher and the command line.
"""
