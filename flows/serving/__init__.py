"""The processes of `socialflow up`: Prefect's server, the API, the runner, and their supervisor.

Imported by the command line and the demo.
"""
