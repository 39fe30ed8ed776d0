"""`socialflow upgrade`: show what this version changes in store and lake, and apply it."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from connectors.printable import printable
from flows.cli.output import JsonOption, print_json
from flows.deployments import SCHEDULED_FLOWS
from flows.resources import Resources
from flows.serving.launcher import hold_home
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.leases.flow_leases import expect_flows
from warehouse.upgrades import plan_upgrade

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warehouse.upgrades import Step, Upgrade

upgrade_app = typer.Typer(add_completion=False, rich_markup_mode=None)


@upgrade_app.command()
def upgrade(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Only show what would be changed; changes nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Update store and lake to this version, as the first start of `socialflow up` does. Take a backup before."""
    settings = WarehouseSettings()
    plan = plan_upgrade(settings)
    if not check and (plan.is_needed or plan.store_version is None or plan.lake_version is None):
        with hold_home(settings.home), Resources.open() as resources:
            resources.lake.snapshot_id()
    if not check and settings.database_url is not None:
        _expect_flows()
    if as_json:
        print_json({**asdict(plan), "is_needed": plan.is_needed, "done": not check})
        return
    for line in describe(plan, done=not check):
        sys.stdout.write(f"{printable(line)}\n")


def _expect_flows() -> None:
    """Store how often `prefect.yaml` starts each flow, so that one that is behind is found.

    Several machines have no `socialflow up` that does so.
    """
    with Resources.open() as resources, resources.store.write() as session:
        ensure_default_workspace(session, datetime.now(UTC))
        expect_flows(session, {one.name: one.period for one in SCHEDULED_FLOWS})


def describe(plan: Upgrade, *, done: bool) -> list[str]:
    """Return the plan as lines."""
    lines = _tell("store", plan.store_version, plan.store_steps, done=done)
    lines += _tell(
        "lake", None if plan.lake_version is None else f"{plan.lake_version:04}", plan.lake_steps, done=done
    )
    if plan.is_needed and not done:
        lines.append(
            "Take a backup first (`socialflow backup FILE`): an older version cannot open what was updated."
        )
        if plan.lake_version and plan.lake_steps:
            lines.append(
                "The lake's marts are rebuilt from all snapshots: about a minute per million of them."
            )
    return lines


def _tell(name: str, version: str | None, steps: Sequence[Step], *, done: bool) -> list[str]:
    if version is None:
        return [
            f"The {name} was created." if done else f"There is no {name} yet; `socialflow up` creates it."
        ]
    if not steps:
        return [f"The {name} is up to date (version {version})."]
    verb = "was updated" if done else "is updated"
    head = f"The {name} {verb} from version {version} to {steps[-1].number}:"
    return [head, *(f"  {step.number}  {step.title}" for step in steps)]
