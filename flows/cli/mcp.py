"""`socialflow mcp`: tools for AI assistants over standard input and output."""

from __future__ import annotations

from importlib import import_module

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def mcp() -> None:
    """Serve tools for reading data and writing drafts to an AI assistant (Model Context Protocol, stdio).

    Needs SOCIALFLOW_MCP_API_KEY and SOCIALFLOW_MCP_API_SECRET; the API may be on another machine
    (SOCIALFLOW_MCP_URL).
    """
    # Imported by name: flows must not import api.
    import_module("api.mcp.server").main()
