"""What every request and response share: middleware, errors, dependencies, pagination, caching, limits, OpenAPI.

Imported by every other folder of `api`.
"""
