"""One file that holds a whole installation: the store, the lake, uploaded media and the key; made while it runs.

Used by the commands `socialflow backup` and `socialflow restore`.
"""
