"""How posts did: each of their snapshots over time, and against each other at equal age.

What was not measured is None, never 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from warehouse.sql import load_sql

if TYPE_CHECKING:
    from warehouse.lake.connect import Lake


def get_post_metrics(lake: Lake, workspace_id: str, post_id: str) -> dict[str, Any]:
    """Return a post's publications, each with its snapshots, oldest first.

    {post_id, publications: [{publication_id, account_id, platform, kind, published_at, permalink,
    snapshots: [{captured_at, age_hours, the 8 metrics, engagement}]}]}

    `publications` is empty for a post that is not published, unknown, or another workspace's.
    """
    rows = lake.query(load_sql("queries/post_metrics"), {"workspace_id": workspace_id, "post_id": post_id})
    of_publication = ("publication_id", "account_id", "platform", "kind", "published_at", "permalink")
    publications: dict[str, dict[str, Any]] = {}
    for row in rows:
        head = {name: row.pop(name) for name in of_publication}
        publication = publications.setdefault(head["publication_id"], head | {"snapshots": []})
        if row["captured_at"] is not None:
            publication["snapshots"].append(row)
    return {"post_id": post_id, "publications": list(publications.values())}
