"""Posting times: placement by advice, queue times, recurrence rules, local times, and explanations of advice.

Imported by `warehouse.planning` and by every interface that shows times.
"""
