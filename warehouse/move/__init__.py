"""Move an installation between a home folder and servers: store, lake and media, each compared afterwards.

Imported by the command line only.
"""
