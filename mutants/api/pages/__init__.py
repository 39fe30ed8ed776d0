"""Pages without an account: the front page, the documentation, and health for supervisors.

Imported by `api.app`.
"""
