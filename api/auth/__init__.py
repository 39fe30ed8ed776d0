"""Authentication: API keys, access tokens, sign-in.

Imported by every route through `api.http.dependencies`.
"""
