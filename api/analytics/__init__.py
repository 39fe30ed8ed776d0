"""Analytics endpoints: metrics of posts and accounts, read from the lake.

Imported by `api.app` and the dashboard.
"""
