"""Nightly housekeeping, and the doctor that looks at an installation.

Imported by `flows.deployments` and the command line.
"""
