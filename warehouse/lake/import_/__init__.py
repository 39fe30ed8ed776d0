"""Read files of past posts, and import them into the store and the lake.

`read.read_file` recognises a file by its content and returns what it is and its rows in batches; `types` holds the
shapes; `history` loads them. Imported by the command line and the API.
"""
