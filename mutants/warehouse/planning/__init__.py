"""A wish ("this text, these accounts, then") becomes a checked draft: the one way a post is planned.

Imported by every interface (HTTP, dashboard, command line, assistants). No FastAPI, no Typer, no network.
"""
