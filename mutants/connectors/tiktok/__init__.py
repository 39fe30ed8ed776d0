"""TikTok videos and photos through the Content Posting API.

Imported by `connectors.registry` only.
"""
