"""Nightly computation of posting times.

Imported by `flows.deployments` and the command line.
"""
