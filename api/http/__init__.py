"""Request and response handling: middleware, errors, dependencies, pagination, caching, limits, OpenAPI.

Imported by every other folder of `api`.
"""
