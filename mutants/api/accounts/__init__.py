"""Connected accounts over HTTP: list, connect by token or by browser, pause, disconnect.

Imported by `api.app`.
"""
