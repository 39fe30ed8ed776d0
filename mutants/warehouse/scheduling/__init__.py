"""When a post goes out: placement in an advised week, queue times, recurrence rules, local times, and advice in words.

Imported by `warehouse.planning` and by every interface that shows times.
"""
