"""Access control: workspaces, API keys and dashboard sessions.

Imported by the API's auth, by every command that takes a workspace, and by the rest of the store.
"""
