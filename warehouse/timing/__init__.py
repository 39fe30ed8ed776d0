"""The posting-time model. Pure: arrays or DataFrames in and out, no I/O, no clock.

Imported by `warehouse.lake.queries` and `warehouse.scheduling`; outside programs use
`warehouse.timing.model`.
"""
