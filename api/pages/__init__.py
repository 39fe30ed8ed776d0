"""Public pages: the front page, the documentation, and health endpoints.

Imported by `api.app`.
"""
