"""The files in deploy/: every setting, command and metric that they name exists, and their own tools accept them."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from datetime import timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from flows.maintenance.settings_doctor import list_known_settings
from flows.publishing.publisher import GRACE
from tests.api.harness import RunningServer, SettableClock, make_tenant, open_anonymous
from warehouse.store.clock import read_time
from warehouse.store.leases.flow_leases import end_run
from warehouse.store.leases.work_leases import take_work
from warehouse.store.publishing.heartbeats import begin_beating

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPLOY = Path(__file__).parents[1] / "deploy"
SCALING = DEPLOY.parent / "docs/scaling.md"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
SUFFIX = re.compile(r"_(bucket|sum|count)$")
FOREIGN = {"up"}
"""Series that Prometheus itself writes."""


def run_tool(*command: str, folder: Path = DEPLOY, **environment: str) -> subprocess.CompletedProcess[str]:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin", **environment},
    )


def list_expressions() -> Iterator[str]:
    rules = yaml.safe_load((DEPLOY / "prometheus/alerts.yaml").read_text())
    for rule in rules["groups"][0]["rules"]:
        yield rule["expr"]
    board = json.loads((DEPLOY / "grafana/socialflow.json").read_text())
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield target["expr"]


def list_settings(text: str) -> set[str]:
    return set(re.findall(r"\bSOCIALFLOW_[A-Z0-9_]+", text))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What /metrics answers where something of everything has happened."""
    clock = SettableClock()
    home = tmp_path_factory.mktemp("deploy") / "home"
    with pytest.MonkeyPatch.context() as patch, ExitStack() as opened:
        patch.setenv("SOCIALFLOW_READS_PER_DAY", "twitter=3000")
        server = opened.enter_context(RunningServer(home, clock))
        client = opened.enter_context(open_anonymous(server))
        tenant = make_tenant(server)
        tenant.add_account("twitter")
        tenant.create_post()
        with server.services.store.write() as session:
            take_work(session, "ingest-metrics", ["acct_1"], owner="a", lease=timedelta(minutes=5), limit=1)
            end_run(session, "ingest-metrics", owner="test", outcome="succeeded")
            begin_beating(session, "host:1:a", read_time(session))
        return client.get("/metrics").text


def test_every_metric_of_alerts_and_dashboard_is_served(served: str) -> None:
    known = set(re.findall(r"^# HELP (\S+)", served, re.MULTILINE)) | FOREIGN
    used = {
        name
        for expression in list_expressions()
        for name in re.findall(r"\b(?:socialflow|process)_[a-z_]+\b|\bup\b", expression)
    }
    assert len(used) > 20
    missing = {name for name in used if not {name, SUFFIX.sub("", name)} & known}
    assert not missing


def test_numbers_that_are_known_are_served(served: str) -> None:
    for line in (
        "socialflow_lake_up 1.0",
        'socialflow_reads_left{platform="twitter"} 3000.0',
        'socialflow_work_leases{kind="ingest-metrics"} 1.0',
        'socialflow_publications{status="claimed"} ',
        'socialflow_publications{status="needs_review"} ',
        "socialflow_publications_unknown ",
        "socialflow_publishers_awake ",
        "socialflow_webhook_backlog ",
        'socialflow_flow_last_success_timestamp_seconds{flow="ingest-metrics"} ',
        "socialflow_http_request_seconds_bucket{",
        "# HELP socialflow_ingest_lag_seconds ",
        "socialflow_lake_files ",
        "socialflow_lake_last_commit_timestamp_seconds ",
        'socialflow_publish_lateness_seconds_bucket{le="+Inf"} 0.0',
        'socialflow_flow_behind{flow="ingest-metrics"} ',
        "process_resident_memory_bytes ",
    ):
        assert f"\n{line}" in served


def test_prometheus_accepts_the_rules_and_each_tells_its_fault() -> None:
    checked = run_tool("promtool", "check", "rules", "alerts.yaml", folder=DEPLOY / "prometheus")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = run_tool("promtool", "test", "rules", "alerts_test.yaml", folder=DEPLOY / "prometheus")
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_rule_is_tested_and_says_what_to_do() -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus/alerts.yaml").read_text())["groups"][0]["rules"]
    tests = yaml.safe_load((DEPLOY / "prometheus/alerts_test.yaml").read_text())["tests"]
    told = {one["alertname"] for test in tests for one in test["alert_rule_test"] if one["exp_alerts"]}
    assert told == {rule["alert"] for rule in rules}
    # Silent while all is well, with a sample of each series that the rule reads.
    healthy = tests[-1]
    silent = {one["alertname"] for one in healthy["alert_rule_test"] if not one["exp_alerts"]}
    assert silent == told
    sampled = {re.split(r"\{", one["series"])[0] for one in healthy["input_series"]}
    read = {name for rule in rules for name in re.findall(r"\bsocialflow_[a-z_]+\b|\bup\b", rule["expr"])}
    assert read <= sampled
    assert all(set(rule["annotations"]) == {"summary", "action"} for rule in rules)


def test_compose_names_known_settings_and_is_accepted(tmp_path: Path) -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    # SOCIALFLOW_SECRET_KEY is both a setting and what the operator passes in.
    assert list_settings(text) <= list_known_settings()
    services = yaml.safe_load(text)["services"]
    assert set(services) == {"postgres", "prefect", "migrate", "deploy", "worker", "api", "proxy"}
    assert "ports" not in services["prefect"]
    (tmp_path / "empty.env").touch()
    given = dict.fromkeys(re.findall(r"\$\{([A-Z0-9_]+):\?", text), "x")
    given["SETTINGS_FILE"] = str(tmp_path / "empty.env")
    checked = run_tool("docker-compose", "--file", "compose.yaml", "config", "--quiet", **given)
    assert checked.returncode == 0, checked.stderr


def test_compose_migrates_alone_and_watches_each_service() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert services["migrate"]["command"] == ["socialflow", "upgrade"]
    for name, service in services.items():
        waits = service.get("depends_on", {})
        if name in {"api", "worker"}:
            assert waits["migrate"] == {"condition": "service_completed_successfully"}
            assert service["env_file"] == ["${SETTINGS_FILE:?}"], "settings of the platforms' apps"
        if "command" in service and service.get("restart") != "no":
            assert service["healthcheck"]["test"][0] == "CMD", name
            assert int(service["stop_grace_period"].removesuffix("s")) > 2 * GRACE.total_seconds()
            assert service["security_opt"] == ["no-new-privileges:true"]
    # What needs no token is not passed on to the world.
    assert re.search(r"handle /metrics \{\s+respond 404", (DEPLOY / "Caddyfile").read_text())
    (nginx,) = re.findall(r"```nginx\n(.*?)```", SCALING.read_text(), re.DOTALL)
    assert "location = /metrics { return 404; }" in nginx


def test_compose_starts_nothing_without_its_secrets() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    variables = re.findall(r"\$\{([^}]+)\}", text)
    assert variables
    assert all(name.endswith(":?") for name in variables)


def test_the_image_copies_what_is_there_and_starts_a_command_of_ours() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    assert list_settings(text) <= list_known_settings()
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert (DEPLOY.parent / source).exists(), source
    # The context is what is copied: no .git, no .env, no home folder with a key.
    ignored = (DEPLOY.parent / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    copied = {
        one for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for one in line.split()
    }
    assert {line[1:] for line in ignored if line.startswith("!")} == copied
    (command,) = re.findall(r"^CMD (.+)$", text, re.MULTILINE)
    assert json.loads(command)[0] in list_commands()
    assert "USER socialflow" in text


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_names_known_settings_and_commands(path: Path) -> None:
    text = path.read_text()
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(text)
    assert list_settings(text) <= list_known_settings()
    command = Path(unit["Service"]["ExecStart"].split()[0])
    if command.name == "sh":
        command = Path(re.findall(r"exec (\S+)", unit["Service"]["ExecStart"])[0])
    assert command.name in list_commands() | {"python"}
    assert unit["Service"]["NoNewPrivileges"] == "true"
    assert unit["Service"]["User"] == "socialflow"
    assert int(unit["Service"]["TimeoutStopSec"]) > 2 * GRACE.total_seconds()


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_systemd_accepts_a_unit(path: Path) -> None:
    checked = run_tool("systemd-analyze", "verify", str(path))
    complaints = [line for line in checked.stderr.splitlines() if "is not executable" not in line]
    # Without a running systemd, the tool may also complain about the machine; a unit's faults name the unit.
    assert not [line for line in complaints if path.stem.rstrip("@") in line]


def list_commands() -> set[str]:
    return {entry.name for entry in entry_points(group="console_scripts")} | {Path(sys.executable).name}
