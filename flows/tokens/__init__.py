"""Refresh access tokens.

Imported by `flows.deployments`, the publisher and the command line.
"""
