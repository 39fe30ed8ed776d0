"""Posts over HTTP: create, read, change, bulk, approve, decide.

Imported by `api.app`, the dashboard and the MCP tools.
"""
