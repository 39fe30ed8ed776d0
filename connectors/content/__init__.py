"""Post content without network access: character counts, thread parts, media types, validation.

Imported by every layer.
"""
