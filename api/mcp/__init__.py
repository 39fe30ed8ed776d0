"""Model Context Protocol server: tools for AI assistants that read data and write drafts.

Started by `socialflow mcp`.
"""
