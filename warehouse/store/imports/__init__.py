"""Imports of files of past posts: uploads, progress, reports, and what each import stored, so that it can be undone.

Imported by `warehouse.lake.import_`, the HTTP API, the dashboard and the command line.
"""
