"""Nightly maintenance, and the checks of `socialflow doctor`.

Imported by `flows.deployments` and the command line.
"""
