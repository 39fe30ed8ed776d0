"""Import files of past posts into the store and the lake.

Imported by the command line.
"""
