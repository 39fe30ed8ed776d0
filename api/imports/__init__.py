"""Imports of files of past posts: upload and preview, start, progress, report, undo.

Imported by `api.app` and the dashboard's page of imports.
"""
