"""What every request and response share: middleware, errors, dependencies, pagination, idempotency, caching, limits, the OpenAPI document.

Imported by every other folder of `api`.
"""
