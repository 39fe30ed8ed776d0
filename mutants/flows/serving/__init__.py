"""The processes of `socialflow up`: Prefect's server, the API, the runner, and the supervisor that keeps them alive.

Imported by the command line and the demo.
"""
