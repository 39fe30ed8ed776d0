"""What posts and accounts earned, over HTTP, from the lake.

Imported by `api.app` and the dashboard.
"""
