"""Which process runs a flow, and how each flow's last runs ended.

Imported by the flows, and for reading by the API and the doctor.
"""
