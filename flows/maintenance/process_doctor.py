"""Check the processes of `socialflow up`: running, stopped, killed or not responding."""

from __future__ import annotations

import base64
import json
import os
from datetime import datetime
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Literal
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from flows.serving.launcher import PROCESSES_FILE, is_held

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flows.settings import FlowSettings
    from warehouse.settings import WarehouseSettings

    Line = tuple[str, Literal["ok", "warning", "failed"], str]

SECONDS = 5
RUNS_ASKED = 200
_MOST_BYTES = 16 << 20
"""Of an answer: 200 runs are far less."""


def examine_processes(warehouse: WarehouseSettings, flows: FlowSettings) -> Iterator[Line]:
    """Yield (check, status, detail) of the launcher, the API, Prefect's server and its runs."""
    noted = _read_notes(warehouse)
    if not is_held(warehouse.home):
        if noted is None:
            yield "processes", "warning", "stopped: nothing runs on this home; `socialflow up` starts it"
        else:
            yield (
                "processes",
                "failed",
                "terminated abnormally (power failure, kill -9): `socialflow up` starts it again",
            )
        return
    addresses = (noted or {}).get("addresses")
    addresses = addresses if isinstance(addresses, dict) else {}
    api, prefect = (
        str(addresses.get("api", flows.api_url)),
        str(addresses.get("prefect", flows.prefect_url)),
    )
    yield _examine_api(api)
    status, answer = _ask(f"{prefect}/api/health")
    yield (
        "prefect",
        "ok" if status == 200 else "failed",
        f"{prefect}/api/health" if status == 200 else f"{prefect}/api/health is not healthy: {answer}",
    )
    if status == 200:
        yield from _examine_runs(prefect, (noted or {}).get("since"))


def is_running(warehouse: WarehouseSettings) -> bool:
    """Return whether `socialflow up` runs on this home."""
    return is_held(warehouse.home)


def _examine_api(address: str) -> Line:
    url = f"{address}/readyz"
    status, answer = _ask(url)
    parts = answer if isinstance(answer, dict) else {}
    if status == 200 and parts.get("status") == "degraded":
        return "api", "warning", f"{url} is degraded: {', '.join(map(str, parts.get('behind', [])))} behind"
    if status == 200:
        return "api", "ok", url
    failed = [name for name, result in parts.items() if result == "failed"]
    return (
        "api",
        "failed",
        f"{url} is not healthy: {', '.join(failed) + ' failed' if failed else answer}",
    )


def _examine_runs(prefect: str, since: object) -> Iterator[Line]:
    """Find runs that Prefect considers running although their processes died before this launcher started."""
    try:
        started = datetime.fromisoformat(str(since))
    except ValueError:
        return  # an older launcher does not record its start
    body = {"flow_runs": {"state": {"type": {"any_": ["RUNNING", "PENDING"]}}}, "limit": RUNS_ASKED}
    status, answer = _ask(f"{prefect}/api/flow_runs/filter", body)
    if status != 200 or not isinstance(answer, list):
        yield "prefect runs", "warning", f"could not be checked: {answer}"
        return
    dead = [run for run in answer if datetime.fromisoformat(run["state"]["timestamp"]) < started]
    if dead:
        detail = f"{len(dead)} runs of dead processes count as running: the next `socialflow up` marks them as crashed"
        yield "prefect runs", "warning", detail
    else:
        yield "prefect runs", "ok", f"{len(answer)} under way"


def _read_notes(warehouse: WarehouseSettings) -> dict[str, Any] | None:
    path = warehouse.home / PROCESSES_FILE
    if not path.exists():
        return None
    try:
        noted = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _ask(url: str, body: object = None) -> tuple[int, Any]:
    """Return status and JSON response (or the error text, with status 0 if there was no response)."""
    headers = {"Content-Type": "application/json"}
    if access := os.environ.get("PREFECT_API_AUTH_STRING"):
        headers["Authorization"] = "Basic " + base64.b64encode(access.encode()).decode()
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(url, data, headers), timeout=SECONDS) as answer:  # noqa: S310 (our own http address)
            return int(answer.status), _parse(answer.read(_MOST_BYTES))
    except HTTPError as error:
        return error.code, _parse(error.read(_MOST_BYTES)) or f"HTTP status {error.code}"
    except (OSError, HTTPException, ValueError) as error:
        return 0, str(getattr(error, "reason", None) or error or type(error).__name__)


def _parse(content: bytes) -> Any:  # noqa: ANN401 (JSON)
    try:
        return json.loads(content)
    except ValueError:
        return None
