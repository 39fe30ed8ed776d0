"""Flow leases: which process runs a flow, and the outcome of each flow's last runs.

Imported by the flows; the API and the doctor read it.
"""
