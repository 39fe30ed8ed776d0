"""When to post, over HTTP: the advised week, suggestions, scores, the measured lift.

Imported by `api.app` and the dashboard.
"""
