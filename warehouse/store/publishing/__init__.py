"""Publishing of a publication: states, claims with leases, the attempts ledger, outcomes, recovery.

Imported by `flows.publishing`, and for reading by every interface.
"""
