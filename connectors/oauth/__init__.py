"""OAuth 2.0 for the platforms: connecting an account in the browser, and errors of token refreshes.

Imported by platform connectors and by `connectors.registry`.
"""
