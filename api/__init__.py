"""HTTP API, dashboard and MCP tools: thin interfaces over `warehouse` and `connectors`.

No other package imports it; `api.serve` is started by name.
"""
