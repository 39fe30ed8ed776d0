"""Media endpoints: uploads of pictures and videos.

Imported by `api.app` and the dashboard.
"""
