"""Leases: which process runs a flow and how its last runs ended, and which worker has which piece of shared work.

Imported by the flows; the API and the doctor read it.
"""
