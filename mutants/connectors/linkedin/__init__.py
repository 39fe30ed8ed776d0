"""LinkedIn members and organization pages through the versioned REST API.

Imported by `connectors.registry` only.
"""
