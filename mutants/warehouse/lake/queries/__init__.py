"""Questions to the lake that the product itself asks: overview, rankings, accounts, timing, experiments.

Imported by the API, the timing flow and `warehouse.scheduling`.
"""
