"""A Prefect flow of your own that starts when SocialFlow has loaded new metrics, and gets the lake's snapshot.

SocialFlow's flows end with the event `socialflow.run.finished`. Its resource is the flow, such as
`socialflow.flow.ingest-metrics` or `socialflow.flow.ingest-followers`; its payload is the run's result.

    export PREFECT_API_URL=http://127.0.0.1:4200/api PREFECT_API_AUTH_STRING=...   # `socialflow prefect-auth`
    python after_ingest.py
"""

from __future__ import annotations

from prefect import flow
from prefect.events import DeploymentEventTrigger

FINISHED = "socialflow.run.finished"

AFTER_INGEST = DeploymentEventTrigger(
    name="after-ingest-metrics",
    expect={FINISHED},
    match={"prefect.resource.id": "socialflow.flow.ingest-metrics"},
    parameters={
        # Rendered by the server from the event; a run that loaded nothing has no snapshot.
        "snapshot_id": {
            "__prefect_kind": "json",
            "value": {"__prefect_kind": "jinja", "template": "{{ event.payload.snapshot_id | tojson }}"},
        },
        "counts": {
            "__prefect_kind": "json",
            "value": {"__prefect_kind": "jinja", "template": "{{ event.payload.counts | tojson }}"},
        },
    },
)


@flow(log_prints=True)
def after_ingest(snapshot_id: int | None, counts: dict[str, int]) -> str:
    """Do something with what is new, such as examples/postgres/sync_posts.py or `dbt build`."""
    if snapshot_id is None:
        return "nothing was loaded"
    return f"snapshot {snapshot_id} has {counts.get('snapshots', 0)} new measurements"


if __name__ == "__main__":
    after_ingest.serve(name="after-ingest", triggers=[AFTER_INGEST])
