"""Who may do what: workspaces, API keys, and encryption at rest.

Imported by the API's auth, by every command that names a workspace, and by the rest of the store.
"""
