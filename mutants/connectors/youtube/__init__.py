"""YouTube videos by resumable upload.

Imported by `connectors.registry` only.
"""
