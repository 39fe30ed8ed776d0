"""Workspace endpoints: time zone, approval, experiments, pausing.

Imported by `api.app`.
"""
