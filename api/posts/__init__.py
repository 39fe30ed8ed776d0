"""Post endpoints: create, read, change, bulk import, approve, resolve.

Imported by `api.app`, the dashboard and the MCP tools.
"""
