"""Queries of the product on the lake: overview, rankings, accounts, timing, experiments.

Imported by the API, the timing flow and `warehouse.scheduling`.
"""
