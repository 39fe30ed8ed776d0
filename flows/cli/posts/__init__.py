"""Commands that plan and change posts and recurring posts, over `warehouse.planning`.

Imported by `flows.cli` on demand; `planner` also by other commands that ask `warehouse.scheduling`.
"""
