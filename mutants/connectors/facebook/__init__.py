"""Facebook Pages through the Graph API.

Imported by `connectors.registry` only.
"""
