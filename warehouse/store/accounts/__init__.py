"""Connected accounts: credentials, health, browser authorizations and target accounts.

Imported by the API, the flows and the command line.
"""
