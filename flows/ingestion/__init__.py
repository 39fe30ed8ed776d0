"""Read metrics, followers and histories into the lake.

Imported by `flows.deployments` and the command line.
"""
