"""The caller's workspace over HTTP: time zone, approval, experiments, pausing.

Imported by `api.app`.
"""
