"""Connected accounts: credentials, health, browser authorizations, and when each is measured next.

Imported by the API, the flows and the command line.
"""
