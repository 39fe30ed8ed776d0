"""A publication's way out: states, claims with leases, the attempts ledger, outcomes, recovery.

Imported by `flows.publishing`, and for reading by every interface.
"""
