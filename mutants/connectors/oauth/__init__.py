"""OAuth 2.0 for the platforms: how a person connects an account by browser, and how a refresh is judged.

Imported by platform connectors and by `connectors.registry`.
"""
