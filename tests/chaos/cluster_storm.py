"""A storm on the whole cluster: each fault that a fleet of machines has, one after the other, while posts fall due.

    posts     most are planned before, the others are created during the storm over both API processes by a client that
              repeats every request until it is answered (with its Idempotency-Key), as the guide's proxy lets it
    ingest    `ingest-metrics` is asked for all the time through Prefect, and measures everything anew

For each fault: which alerts of deploy/prometheus/alerts.yaml fired (a real Prometheus, with shorter waits), which
panels of the dashboard changed, what `socialflow doctor` said, and how late the posts of that time were. At the end the
platforms' own record is compared with the store, post by post, and the lake with the store.

    python -m tests.chaos.cluster_storm [--only api-killed,bucket-hangs] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from sqlalchemy import select

from tests.chaos.cluster import Cluster, run_cluster
from tests.chaos.ingest_judge import judge_keys, judge_marks
from tests.chaos.networks import find_obstacle
from tests.chaos.storm import OPEN, Plan, Verdict, connect_all, judge
from warehouse.lake.connect import Lake
from warehouse.store.database import Store
from warehouse.store.leases.flow_leases import expect_flows
from warehouse.store.models import Publication
from warehouse.store.publishing.ledger import list_events

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REST = 8.0
"""Seconds between the end of one fault and the next."""
QUIET = 15.0
"""Seconds that an earlier fault's alerts may take to go out, beyond that."""
CALM = 150.0
"""Seconds that everything may take to settle in the end."""
ALLOWED_LATENESS = 30.0
POSTS_A_SECOND = 1.2
INGEST_EVERY = 15.0


@dataclass(frozen=True)
class Fault:
    """One kind of fault: how it begins and ends, and who must tell it."""

    name: str
    what: str
    seconds: float
    begin: Callable[[Cluster], object]
    end: Callable[[Cluster], object]
    alerts: frozenset[str]
    """At least one of these must fire."""
    doctor: str | None
    """Part of a check's name that `socialflow doctor` must fail or warn of; None = it is not among its checks."""
    ask_doctor: float = 3.0
    """Seconds after its beginning at which the doctor is asked: late enough that it can be noticed."""
    machine: str = "b"
    """Where the doctor is asked: a machine that is not cut off itself."""


def _hold(*names: str, kill: bool = True) -> Callable[[Cluster], None]:
    def begin(cluster: Cluster) -> None:
        for name in names:
            cluster.keeper.services[name].held = True
            if kill:
                cluster.keeper.services[name].kill()

    return begin


def _release(*names: str) -> Callable[[Cluster], None]:
    def end(cluster: Cluster) -> None:
        for name in names:
            cluster.keeper.services[name].held = False

    return end


def _restart_database(cluster: Cluster) -> None:
    cluster.keeper.services["postgres"].held = True
    cluster.restart_database()


def _kill_workers(cluster: Cluster) -> None:
    _set_period(cluster, 10)
    _hold("worker-a", "worker-b")(cluster)


def _release_workers(cluster: Cluster) -> None:
    _set_period(cluster, 300)
    _release("worker-a", "worker-b")(cluster)


def _set_period(cluster: Cluster, seconds: int) -> None:
    with Store.open(cluster.settings) as store, store.write() as session:
        expect_flows(session, {"ingest-metrics": timedelta(seconds=seconds)})


FAULTS = (
    Fault(
        "publisher-killed",
        "kill -9 of one publisher of two, which stays down",
        28,
        _hold("publisher-a"),
        _release("publisher-a"),
        frozenset({"PublisherMissing"}),
        None,
    ),
    Fault(
        "publishers-killed",
        "kill -9 of both publishers and both workers",
        18,
        _hold("publisher-a", "publisher-b", "worker-a", "worker-b"),
        _release("publisher-a", "publisher-b", "worker-a", "worker-b"),
        frozenset({"NoPublisherAwake"}),
        "publishers",
        ask_doctor=10.0,
    ),
    Fault(
        "workers-killed",
        "kill -9 of both workers with their runs (the flow's period is shortened to 10 s, so that three of them pass)",
        55,
        _kill_workers,
        _release_workers,
        frozenset({"FlowBehind"}),
        "flow ingest-metrics",
        ask_doctor=33.0,
    ),
    Fault(
        "prefect-killed",
        "kill -9 of Prefect's server",
        15,
        _hold("prefect"),
        _release("prefect"),
        frozenset({"OrchestratorDown"}),
        None,
    ),
    Fault(
        "api-killed",
        "kill -9 of one API process of two",
        10,
        _hold("api-a"),
        _release("api-a"),
        frozenset({"SocialFlowDown"}),
        None,
    ),
    Fault(
        "database-restarted",
        "immediate shutdown of PostgreSQL, started again after 6 s",
        6,
        _restart_database,
        _release("postgres"),
        frozenset({"StoreDown"}),
        "store",
    ),
    Fault(
        "bucket-fails",
        "the bucket answers 503 to everything",
        20,
        lambda cluster: cluster.proxy.set_mode("error"),
        lambda cluster: cluster.proxy.set_mode("ok"),
        frozenset({"LakeStorageDown"}),
        "lake",
    ),
    Fault(
        "bucket-hangs",
        "the bucket accepts connections and answers nothing",
        25,
        lambda cluster: cluster.proxy.set_mode("hang"),
        lambda cluster: cluster.proxy.set_mode("ok"),
        frozenset({"LakeStorageDown"}),
        "lake",
    ),
    Fault(
        "database-disk-full",
        "the disk of PostgreSQL is filled to the last block (tmpfs)",
        25,
        lambda cluster: cluster.fill("database"),
        lambda cluster: cluster.empty("database"),
        frozenset({"NoPublisherAwake", "StoreDown", "PublisherErrors"}),
        None,
    ),
    Fault(
        "home-disk-full",
        "the disk with the home of machine a is filled (tmpfs)",
        15,
        lambda cluster: cluster.fill("a"),
        lambda cluster: cluster.empty("a"),
        frozenset({"DiskLow"}),
        "disk",
        machine="a",
    ),
    Fault(
        "cut-off-from-data",
        "machine a reaches neither PostgreSQL, bucket nor Prefect, but the platforms",
        30,
        lambda cluster: cluster.networks.cut("a", "data"),
        lambda cluster: cluster.networks.mend("a", "data"),
        frozenset({"SocialFlowDown"}),
        None,
    ),
    Fault(
        "cut-off-from-platforms",
        "machine b reaches no platform",
        25,
        lambda cluster: cluster.networks.cut("b", "platforms"),
        lambda cluster: cluster.networks.mend("b", "platforms"),
        frozenset({"SendsFail"}),
        None,
    ),
)


@dataclass
class Told:
    """What was seen of one fault."""

    fault: Fault
    began: datetime
    ended: datetime
    alerts: set[str] = field(default_factory=set)
    panels: list[str] = field(default_factory=list)
    doctor: list[str] = field(default_factory=list)
    doctor_seconds: float = 0.0
    lateness: list[float] = field(default_factory=list)

    def problems(self) -> list[str]:
        """Return what should have been told and was not."""
        found = []
        if not self.alerts & self.fault.alerts:
            found.append(
                f"{self.fault.name}: none of {sorted(self.fault.alerts)} fired, but {sorted(self.alerts)}"
            )
        if self.fault.doctor and not any(self.fault.doctor in check for check in self.doctor):
            found.append(f"{self.fault.name}: the doctor does not tell {self.fault.doctor}: {self.doctor}")
        if not self.panels:
            found.append(f"{self.fault.name}: no panel of the dashboard changed")
        return found


class LiveClient:
    """Creates posts over the API all the time, and repeats each request until it is answered."""

    def __init__(self, cluster: Cluster, accounts: Sequence[str], *, pause: float) -> None:
        self._cluster, self._accounts, self._pause = cluster, accounts, pause
        self.accepted: dict[str, datetime] = {}
        """Time (the later of due and accepted) of each text for which the API said 201."""
        self.slowest = 0.0
        self.refused: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._token = ""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the request at hand and end."""
        self._stop.set()
        self._thread.join(120)

    def _work(self) -> None:
        number = 0
        while not self._stop.wait(self._pause):
            text = f"live post {number:05d} of the cluster"
            due = datetime.now(UTC) + timedelta(seconds=8)
            body = {
                "content": text,
                "platforms": ["mastodon"],
                "account_ids": [self._accounts[number % len(self._accounts)]],
                "scheduled_at": due.isoformat(),
            }
            began = time.monotonic()
            status, said = self._create(body, f"storm-{number}", number)
            self.slowest = max(self.slowest, time.monotonic() - began)
            if status == 201:
                self.accepted[text] = max(due, datetime.now(UTC))
            elif "past" not in said:
                self.refused.append(f"{status} {said[:200]}")
            number += 1

    def _create(self, body: dict[str, Any], key: str, turn: int) -> tuple[int, str]:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            url = self._cluster.api_urls[turn % len(self._cluster.api_urls)]
            turn += 1
            try:
                with httpx.Client(base_url=url, timeout=4) as client:
                    if not self._token:
                        given = {name: self._cluster.api_key[name] for name in ("api_key", "api_secret")}
                        answer = client.post("/api/v1/auth/token", json=given).raise_for_status()
                        self._token = answer.json()["access_token"]
                    headers = {"Authorization": f"Bearer {self._token}", "Idempotency-Key": key}
                    answer = client.post("/api/v1/posts", json=body, headers=headers)
            except httpx.HTTPError:
                time.sleep(0.3)  # the other process is asked next
                continue
            if answer.status_code >= 500 or answer.status_code in {401, 409, 429}:
                self._token = "" if answer.status_code == 401 else self._token
                time.sleep(0.3)
                continue
            return answer.status_code, answer.text
        return 0, "no answer within 90 s"


class Ingest:
    """Asks Prefect for a run of `ingest-metrics` again and again."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.asked = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()
        self._thread.join(30)

    def _work(self) -> None:
        while not self._stop.wait(INGEST_EVERY):
            with suppress(httpx.HTTPError, ValueError):
                self.ask()

    def ask(self) -> str:
        """Ask for one run; return its id."""
        found = self._cluster.prefect(
            "/deployments/filter", {"deployments": {"name": {"any_": ["ingest-metrics"]}}}
        )
        run = self._cluster.prefect(
            f"/deployments/{found[0]['id']}/create_flow_run",
            {"state": {"type": "SCHEDULED"}, "parameters": {"anew": True}},
        )
        self.asked += 1
        return str(run["id"])


def weather(cluster: Cluster, faults: Sequence[Fault], say: Callable[[str], None]) -> list[Told]:
    """Let one fault after the other happen."""
    told = []
    for fault in faults:
        before, shown = wait_for_quiet(cluster), cluster.panels()
        one = Told(fault, datetime.now(UTC), datetime.now(UTC))
        began = time.monotonic()
        fault.begin(cluster)
        asked: list[tuple[list[str], float]] = []
        doctor = threading.Timer(
            fault.ask_doctor,
            lambda: asked.append(cluster.doctor(fault.machine)),  # noqa: B023 (joined below)
        )
        doctor.start()
        last = time.monotonic() + fault.seconds
        while time.monotonic() < last:
            with suppress(httpx.HTTPError):
                one.alerts |= cluster.alerts() - before
                now = cluster.panels()
                one.panels = sorted({*one.panels, *(name for name in now if jumped(shown[name], now[name]))})
            time.sleep(1.0)
        fault.end(cluster)
        one.ended = datetime.now(UTC)
        held = time.monotonic() - began
        doctor.join(90)
        one.doctor, one.doctor_seconds = asked[0] if asked else (["(hangs)"], 90.0)
        told.append(one)
        say(
            f"{fault.name}: {fault.what} ({held:.0f} s). Alerts: {', '.join(sorted(one.alerts)) or '-'}. "
            f"Panels: {', '.join(one.panels) or '-'}. Doctor ({one.doctor_seconds:.0f} s): "
            f"{', '.join(one.doctor) or '-'}"
        )
        time.sleep(REST)
    return told


def wait_for_quiet(cluster: Cluster) -> set[str]:
    """Wait a while until no alert fires; return those that still do."""
    deadline = time.monotonic() + QUIET
    while (firing := cluster.alerts()) and time.monotonic() < deadline:
        time.sleep(1)
    return firing


def jumped(before: tuple[float, ...], now: tuple[float, ...]) -> bool:
    """Return whether a panel shows something else: another number of series, or a value that is half or double."""
    if len(before) != len(now):
        return True
    return any(abs(new - old) > 0.5 * max(abs(old), 0.9) for old, new in zip(before, now, strict=True))


@dataclass
class Result:
    """What a storm came to."""

    told: list[Told]
    verdict: Verdict
    lateness: list[float] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


def run_storm(folder: Path, faults: Sequence[Fault], say: Callable[[str], None], seed: int = 1) -> Result:
    """Run all faults on a new cluster in an empty folder."""
    began = time.monotonic()
    with run_cluster(folder) as cluster, Store.open(cluster.settings) as store:
        say(f"the cluster is ready after {time.monotonic() - began:.0f} s")
        accounts = asyncio.run(connect_all(store, cluster.platforms_url, datetime.now(UTC)))
        plan = Plan(store, cluster.platforms_url, accounts, seed)
        draw = random.Random(seed)
        length = sum(fault.seconds + REST for fault in faults)
        start = datetime.now(UTC) + timedelta(seconds=8)
        dues: dict[str, datetime] = {}
        for _ in range(round(length * POSTS_A_SECOND)):
            due = start + timedelta(seconds=draw.uniform(0, length + 90))
            plan.schedule(due)
            dues[list(plan.texts.values())[-1]] = due
        live = LiveClient(cluster, [one.id for one in accounts if one.platform == "mastodon"], pause=2.0)
        ingest = Ingest(cluster)
        live.start()
        ingest.start()
        time.sleep(12)
        told = weather(cluster, faults, say)
        live.stop()
        ingest.stop()
        settle(store)
        result = Result(told, Verdict())
        measure_ingest(cluster, ingest, result, say)
        compare(cluster, store, dues, live, result)
        result.figures.update(
            live_accepted=len(live.accepted),
            slowest_create_s=round(live.slowest, 1),
            ingests_asked=ingest.asked,
            restarts=sum(one.starts - 1 for one in cluster.keeper.services.values()),
            seconds=round(time.monotonic() - began),
        )
        result.verdict.problems += [f"live: {one}" for one in live.refused]
    return result


def settle(store: Store) -> None:
    """Wait until no publication is on its way."""
    deadline = time.monotonic() + CALM
    while time.monotonic() < deadline:
        with store.read() as session:
            if session.scalars(select(Publication.id).where(Publication.status.in_(OPEN))).first() is None:
                return
        time.sleep(0.5)


def measure_ingest(cluster: Cluster, ingest: Ingest, result: Result, say: Callable[[str], None]) -> None:
    """One more run of the ingest must succeed in the calm after the storm."""
    run = ingest.ask()
    state = ""
    deadline = time.monotonic() + CALM
    while time.monotonic() < deadline and state not in {"COMPLETED", "FAILED", "CRASHED"}:
        time.sleep(1)
        with suppress(httpx.HTTPError):
            found = cluster.prefect("/flow_runs/filter", {"flow_runs": {"id": {"any_": [run]}}})
            state = found[0]["state"]["type"]
            if found[0]["state"]["name"] == "Skipped":
                run, state = ingest.ask(), ""
    say(f"ingest after the storm: {state}")
    if state != "COMPLETED":
        result.verdict.problems.append(f"the ingest after the storm ended as {state or 'still open'}")


def compare(
    cluster: Cluster, store: Store, dues: dict[str, datetime], live: LiveClient, result: Result
) -> None:
    """Compare the platforms' record with the store, and the lake with the store; measure the lateness."""
    verdict = result.verdict
    with store.read() as session:
        rows = session.scalars(select(Publication).where(Publication.origin == "socialflow")).all()
        texts = {row.id: str(row.content["text"]) for row in rows}
    times = {**dues, **live.accepted}
    judge(cluster.platforms_url, store, texts, verdict)
    missing = set(times) - set(texts.values())
    verdict.problems += [f"{text!r} was accepted and is not in the store" for text in sorted(missing)]
    posts = httpx.get(f"{cluster.platforms_url}/_sandbox/posts", params={"via": "api"}, timeout=30).json()
    late = {
        post["text"]: (datetime.fromisoformat(post["created_at"]) - times[post["text"]]).total_seconds()
        for post in posts
        if post["text"] in times
    }
    result.lateness = sorted(late.values())
    for one in result.told:
        span = (one.began - timedelta(seconds=1), one.ended + timedelta(seconds=REST))
        one.lateness = sorted(
            late[text] for text, at in times.items() if text in late and span[0] <= at < span[1]
        )
    tell_latest(store, texts, late, result)
    with Lake.open(cluster.settings) as lake:
        verdict.problems += judge_marks(store, lake)
        verdict.problems += judge_keys(lake)
        (row,) = lake.query("SELECT count(*) AS n FROM raw.post_snapshots")
        result.figures["snapshots"] = row["n"]


def tell_latest(store: Store, texts: dict[str, str], late: dict[str, float], result: Result) -> None:
    """Keep the ledger of the latest posts: why each waited."""
    worst = sorted(texts, key=lambda name: late.get(texts[name], 0.0), reverse=True)[:8]
    story = []
    with store.read() as session:
        for name in worst:
            events = list_events(session, name)
            words = [
                f"{event.at:%H:%M:%S} {event.event} {event.detail.get('message', '')}"[:110]
                for event in events
            ]
            story.append(f"{late.get(texts[name], 0.0):.1f} s {texts[name]}: " + " | ".join(words))
    result.figures["latest"] = story


def at_share(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the sorted values does not exceed; 0 without any."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0.0


def main() -> None:
    """Run the storm, print a line for each fault, and end with 1 where something was lost, doubled, late or untold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="names of faults, separated by commas")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder that keeps the logs")
    given = parser.parse_args()
    if obstacle := find_obstacle():
        raise SystemExit(obstacle)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # A stop must remove namespaces and disks too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    wanted = given.only.split(",") if given.only else [fault.name for fault in FAULTS]
    faults = [fault for fault in FAULTS if fault.name in wanted]
    with tempfile.TemporaryDirectory(prefix="socialflow-storm-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL's user passes through it
        try:
            result = run_storm(folder, faults, lambda words: print(words, flush=True), given.seed)
        finally:
            if given.keep:
                given.keep.mkdir(parents=True, exist_ok=True)
                for log in folder.glob("*.log"):
                    (given.keep / log.name).write_bytes(log.read_bytes())
    sys.exit(report(result))


def report(result: Result) -> int:
    """Print what was found; return the exit code."""
    print(f"\n{'fault':<24}{'posts':>6}{'p50 s':>8}{'p99 s':>8}{'worst':>8}  told by")
    problems = list(result.verdict.problems)
    for one in result.told:
        values = [at_share(one.lateness, share) for share in (0.5, 0.99, 1.0)]
        figures = "".join(f"{value:8.1f}" for value in values)
        print(
            f"{one.fault.name:<24}{len(one.lateness):>6}{figures}  {', '.join(sorted(one.alerts)) or 'NOTHING'}"
        )
        problems += one.problems()
    p99 = at_share(result.lateness, 0.99)
    if p99 > ALLOWED_LATENESS:
        problems.append(f"lateness p99 {p99:.1f} s is above {ALLOWED_LATENESS:.0f} s")
    latest = result.figures.pop("latest")
    print(
        f"all: {dict(result.verdict.statuses)}; lateness p50 {at_share(result.lateness, 0.5):.2f} s, p99 {p99:.1f} s, "
        f"worst {at_share(result.lateness, 1.0):.1f} s; {result.figures}; problems {len(problems)}"
    )
    for story in latest:
        print("  late: " + story)
    for problem in problems:
        print("  " + problem)
    return 1 if problems else 0


if __name__ == "__main__":
    main()
