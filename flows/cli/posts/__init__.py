"""Commands that plan and change posts and recurring posts, using `warehouse.planning`.

Imported by `flows.cli` on demand; `planner` also by other commands that use `warehouse.scheduling`.
"""
