"""Uploads of pictures and videos over HTTP.

Imported by `api.app` and the dashboard.
"""
