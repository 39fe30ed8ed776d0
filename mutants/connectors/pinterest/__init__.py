"""Pinterest pins on boards.

Imported by `connectors.registry` only.
"""
