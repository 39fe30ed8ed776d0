"""What a post consists of, without any network: counting text, parts of a thread, media types, validation.

Imported by every layer.
"""
