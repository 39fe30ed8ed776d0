"""Instagram (API with Instagram Login).

Imported by `connectors.registry` only.
"""
