"""The dashboard: server-rendered pages and forms with the same rules as the HTTP API.

Imported by `api.app`.
"""
