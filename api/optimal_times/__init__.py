"""Posting time endpoints: recommended times, suggestions, scores, measured lift.

Imported by `api.app` and the dashboard.
"""
