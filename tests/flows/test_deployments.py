"""prefect.yaml and the embedded runner deploy the same flows by the same clock."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import prefect
import pytest
import yaml
from prefect.cli.deploy._models import PrefectYamlModel
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger
from prefect.server.schemas import schedules as server_schedules
from prefect.types._datetime import now
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import validate

from flows.deployments import REACTING_FLOWS, REPORT_PARAMETERS, SCHEDULED_FLOWS, ReactingFlow, ScheduledFlow
from flows.serving import prepare
from flows.serving.runner import build_deployment, build_trigger
from warehouse.store.database import Store
from warehouse.store.leases.flow_leases import list_flow_states

if TYPE_CHECKING:
    from warehouse.settings import WarehouseSettings

FILE = Path(__file__).parents[2] / "prefect.yaml"


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return loaded


def find(written: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [item for item in written["deployments"] if item["name"] == name]
    return dict(found)


def test_every_key_is_one_that_prefect_knows(written: dict[str, Any]) -> None:
    # Prefect passes over an unknown key without a word; `definitions` holds our anchors.
    model = PrefectYamlModel.model_validate(written)
    assert set(written) - {"definitions"} <= {*PrefectYamlModel.model_fields, "prefect-version"}
    for item, parsed in zip(written["deployments"], model.deployments, strict=True):
        assert set(item) <= set(type(parsed).model_fields), item["name"]
        assert isinstance(parsed.schedules, list)
        assert set(item["work_pool"]) <= {"name", "work_queue_name", "job_variables"}


def test_it_deploys_exactly_the_scheduled_flows(written: dict[str, Any]) -> None:
    names = [item.name for item in (*SCHEDULED_FLOWS, *REACTING_FLOWS)]
    assert [item["name"] for item in written["deployments"]] == names


@pytest.mark.parametrize("reacting", REACTING_FLOWS, ids=lambda item: item.name)
def test_automations_are_the_same(written: dict[str, Any], reacting: ReactingFlow) -> None:
    item = find(written, reacting.name)
    assert (item["entrypoint"], item["description"]) == (reacting.entrypoint, reacting.description)
    assert item["schedules"] == []
    triggers = [DeploymentEventTrigger.model_validate(one) for one in item["triggers"]]
    assert triggers == [build_trigger(one) for one in reacting.triggers]
    assert [set(one) - set(DeploymentEventTrigger.model_fields) for one in item["triggers"]] == [set(), set()]
    flow = getattr(importlib.import_module(reacting.module), reacting.function)
    assert isinstance(flow, prefect.Flow)
    assert set(REPORT_PARAMETERS) == set(flow.parameters.properties)
    assert reacting.name not in {one.name for one in SCHEDULED_FLOWS}, "it would report itself"


@pytest.mark.parametrize("scheduled", SCHEDULED_FLOWS, ids=lambda item: item.name)
def test_schedule_and_entrypoint_are_the_same(written: dict[str, Any], scheduled: ScheduledFlow) -> None:
    item = find(written, scheduled.name)
    assert item["schedules"] == [{"cron": scheduled.cron, "timezone": "UTC"}]
    assert item["entrypoint"] == scheduled.entrypoint
    assert item["description"] == scheduled.description
    # A slot of Prefect's stays taken when everything is killed while a run starts: the flow would never run again.
    assert "concurrency_limit" not in item
    assert build_deployment(scheduled).concurrency_limit is None


def test_only_the_processes_that_publish_say_so_in_their_command_line(written: dict[str, Any]) -> None:
    commands = {
        item["name"]: item["work_pool"].get("job_variables", {}).get("command")
        for item in written["deployments"]
    }
    assert commands.pop("publish-due-posts") == "python -m flows.publishing.flow_run"
    assert set(commands.values()) == {None}
    assert importlib.util.find_spec("flows.publishing.flow_run") is not None


def test_every_scheduled_flow_is_expected_at_its_pace(warehouse_settings: WarehouseSettings) -> None:
    assert prepare.main() == 0
    with Store.open(warehouse_settings) as store, store.read() as session:
        expected = {row.name: row.period_seconds for row in list_flow_states(session)}
    assert expected == {
        item.name: (item.embedded_interval or item.period).total_seconds() for item in SCHEDULED_FLOWS
    }


@pytest.mark.parametrize("scheduled", SCHEDULED_FLOWS, ids=lambda item: item.name)
async def test_the_period_is_that_of_the_cron(scheduled: ScheduledFlow) -> None:
    schedule = server_schedules.CronSchedule(cron=scheduled.cron, timezone="UTC")
    starts = await schedule.get_dates(n=50, start=datetime(2026, 3, 2, tzinfo=UTC))
    gaps = {(later - earlier).total_seconds() for earlier, later in pairwise(starts)}
    assert gaps == {scheduled.period.total_seconds()}


@pytest.mark.parametrize("scheduled", SCHEDULED_FLOWS, ids=lambda item: item.name)
def test_the_embedded_deployment_names_a_real_flow(scheduled: ScheduledFlow) -> None:
    deployment = build_deployment(scheduled)
    flow = getattr(importlib.import_module(scheduled.module), scheduled.function)
    assert isinstance(flow, prefect.Flow)
    assert (flow.name, deployment.flow_name, deployment.name) == (scheduled.name,) * 3
    assert deployment.entrypoint == f"{flow.fn.__module__}.{flow.fn.__name__}"
    (planned,) = deployment.schedules or []
    if scheduled.embedded_interval:
        # The launcher keeps publishers of its own: a run that must take their place gives it back at the next.
        assert isinstance(planned.schedule, IntervalSchedule)
        assert planned.schedule.interval == scheduled.embedded_interval
        assert deployment.parameters == {"horizon_seconds": scheduled.embedded_interval.total_seconds()}
    else:
        assert isinstance(planned.schedule, CronSchedule)
        assert planned.schedule.cron == scheduled.cron
    # A flow that is begun again sends again what it cannot know to be out; the store decides, not Prefect.
    assert flow.retries == 0


@pytest.mark.parametrize("scheduled", SCHEDULED_FLOWS, ids=lambda item: item.name)
async def test_prefect_plans_the_next_runs(scheduled: ScheduledFlow) -> None:
    """Between some versions of Prefect and of its time library every plan fails, and nothing is ever started."""
    schedules = [server_schedules.CronSchedule(cron=scheduled.cron, timezone="UTC")]
    if scheduled.embedded_interval:
        schedules += [server_schedules.IntervalSchedule(interval=scheduled.embedded_interval, timezone="UTC")]
    for schedule in schedules:
        runs = await schedule.get_dates(3, now("UTC"))
        assert len(runs) == 3
        assert sorted(set(runs)) == runs


WRONG: tuple[dict[str, Any], ...] = (
    {"since": "yesterday"},
    {"since": "2026-01-01T00:00:00"},  # no offset
    {"since": "2026-13-01T00:00:00Z"},
    {"until": 7},
    {"platforms": ["myspace"]},
    {"platforms": []},
    {"platforms": ["twitter", "twitter"]},
    {"account_ids": ["42"]},
    {"account_ids": "acct_1"},
    {"anew": "maybe"},
    {"dry_run": "no"},
)
RIGHT = {
    "since": "2026-01-01T00:00:00+05:30",
    "platforms": ["twitter"],
    "account_ids": ["acct_1"],
    "dry_run": True,
}


@pytest.mark.parametrize("scheduled", [item for item in SCHEDULED_FLOWS if item.parameters == "PostChoice"])
def test_both_kinds_of_deployment_refuse_wrong_values_before_a_run_starts(scheduled: ScheduledFlow) -> None:
    """`prefect deploy` takes the schema from the flow's signature, the embedded runner from its model."""
    flow = getattr(importlib.import_module(scheduled.module), scheduled.function)
    embedded = build_deployment(scheduled)._parameter_openapi_schema.model_dump_for_openapi()
    for schema in (parameter_schema(flow).model_dump_for_openapi(), embedded):
        assert validate(RIGHT, schema) == []
        assert [value for value in WRONG if not validate(value, schema)] == []
    assert validate({"acount_ids": ["acct_1"]}, embedded), "an unknown name, too"
