"""The Model Context Protocol: tools for assistants that read and write drafts.

Started by `socialflow mcp`.
"""
