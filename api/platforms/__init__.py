"""The platforms as data: limits, features and options.

Imported by `api.app` only.
"""
