"""HTTP endpoints for connected accounts: list, connect by token or in the browser, pause, disconnect.

Imported by `api.app`.
"""
