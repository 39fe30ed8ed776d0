"""The HTTP API, the dashboard and the assistant tools: thin interfaces over `warehouse` and `connectors`.

Nothing outside imports it; `api.serve` is started by name.
"""
