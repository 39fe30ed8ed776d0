"""The dashboard: server-rendered pages and forms for people, over the same rules as the HTTP API.

Imported by `api.app`.
"""
