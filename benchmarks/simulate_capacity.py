"""How many machines an installation needs, what breaks first and what it costs: a simulation from measured unit costs.

    publisher   posts fall due second by second over a day: a daily curve in three regions, spikes at minutes 0, 15, 30
                and 45; publishers serve them first come, first served; machines die and take what they held with them
    ingest      each account is visited every so often; its due posts fill batches as its platform allows
    lake        one writer at a time, whose cost per row grows with the lake as measured
    limits      quotas of an app or an account, from docs/platforms/

Figures of the product are measured (docs/capacity.md); shares of platforms, their answer times and prices of machines
are assumptions, and printed as such. Pure numpy; the same seed gives the same figures.

    python benchmarks/simulate_capacity.py [--accounts 1000000] [--snapshots 100000000] [--seed 1] [--json]
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

DAY = 86_400
QUANTILES = (0.5, 0.99, 1.0)
ALLOWED_LATENESS = 30.0
"""Seconds at p99."""


@dataclass(frozen=True)
class Measured:
    """Unit costs of the product: figures of docs/capacity.md or docs/performance.md, with the command of each."""

    publication_cpu_s: float = 3.6e-3
    """make bench-capacity: a text post on X, in the publisher, with SQLite."""
    publication_database_cpu_s: float = 3.1e-4
    """make bench-claims: PostgreSQL's part of a whole send, one process."""
    request_cpu_s: float = 3.3e-3
    """make bench-ingest-runs, metrics, one run: 12.9 ms per account, less nine rows of the lake, over 3.6 requests."""
    visit_database_cpu_s: float = 1.8e-3
    """make bench-ingest-runs, metrics: PostgreSQL's part per account, of store and catalog together."""
    slots_used: float = 0.8
    """make bench-ingest-runs: the part of a run's slots that wait for a platform, one run, on a busy machine."""
    load_cpu_s: tuple[tuple[float, float], ...] = ((1e5, 0.190), (3e5, 0.219), (1e6, 0.338))
    """make bench-capacity: (rows in the lake, mean CPU seconds of a load of 5,000 rows until then)."""
    rows_per_load: float = 50_000.0
    """The most that a run commits at once (flows.ingestion.lake_writer)."""
    snapshot_disk_bytes: float = 163.0
    timing_fixed_s: float = 6.8
    timing_account_s: float = 1.1e-3
    snapshots_per_post: float = 14.0
    held: int = 200
    """Publications that a publisher holds at most (SOCIALFLOW_PUBLISH_CLAIM_LIMIT)."""
    concurrency: int = 64
    """Sends of a publisher at once by default (SOCIALFLOW_PUBLISH_CONCURRENCY; at most 1,000)."""
    readers: int = 8
    """Accounts that one ingest run reads at once by default (SOCIALFLOW_FETCH_CONCURRENCY; at most 64)."""
    released_after_s: float = 10.0
    """A dead machine's claims: 8 s without a heartbeat, and a turn."""
    looked_up_after_s: float = 112.0
    """What it was sending: a lease of 90 s, a look-up, 20 s until "not in the list" is believed."""


@dataclass(frozen=True)
class PlatformLoad:
    """Assumed share and answer times of a platform; its limits are those of docs/platforms/."""

    name: str
    share: float
    send_s: float
    read_s: float
    batch: int
    posts_per_app_day: float = math.inf
    requests_per_app_day: float = math.inf
    posts_per_account_day: float = math.inf
    post_usd: float = 0.0
    read_usd: float = 0.0
    """For each post and UTC day on which it is read."""


PLATFORMS = (
    PlatformLoad("twitter", 0.22, 0.5, 0.4, 100, posts_per_account_day=9_600, post_usd=0.015, read_usd=0.001),
    PlatformLoad("instagram", 0.22, 8.0, 0.4, 1, posts_per_account_day=100),
    PlatformLoad("facebook", 0.18, 1.0, 0.5, 50),
    PlatformLoad("linkedin", 0.10, 0.8, 0.5, 20),
    PlatformLoad("tiktok", 0.07, 6.0, 0.5, 20, posts_per_account_day=15),
    PlatformLoad("threads", 0.06, 4.0, 0.4, 1, posts_per_account_day=250),
    PlatformLoad("bluesky", 0.05, 0.4, 0.3, 25, posts_per_account_day=1_600),
    PlatformLoad("mastodon", 0.04, 0.4, 0.3, 20),
    PlatformLoad("pinterest", 0.03, 1.5, 0.5, 1),
    PlatformLoad("youtube", 0.02, 40.0, 0.4, 50, posts_per_app_day=100, requests_per_app_day=10_000),
    PlatformLoad("telegram", 0.01, 0.3, 0.3, 100),
)


@dataclass(frozen=True)
class Prices:
    """Assumed prices in USD."""

    core_hour: float = 0.04
    gigabyte_month: float = 0.023
    cores_per_machine: int = 4
    load: float = 0.7
    """Part of a core that is planned to be used."""


@dataclass(frozen=True)
class Scenario:
    """Size of an installation."""

    accounts: int = 1_000_000
    snapshots_per_day: float = 1e8
    lake_days: int = 90
    kills_per_day: float = 24.0
    """Machines that die in a day."""
    seed: int = 1

    def posts_per_day(self, measured: Measured) -> float:
        """Return the posts that give these snapshots."""
        return self.snapshots_per_day / measured.snapshots_per_post


def arrivals(posts: float, seed: int) -> np.ndarray:
    """Return the posts that fall due in each second of a UTC day; shape (86400,), dtype int64."""
    seconds = np.arange(DAY)
    hours = seconds / 3600
    # Posts go out in waking hours, with a morning and an evening peak, in three regions.
    curve = np.zeros(DAY)
    for offset, share in ((-6.0, 0.35), (1.0, 0.40), (8.0, 0.25)):
        local = (hours + offset) % 24
        peaks = np.exp(-((local - 9.5) ** 2) / 8) + np.exp(-((local - 18.0) ** 2) / 12) + 0.05
        curve += share * peaks / peaks.sum()
    minute = (seconds // 60) % 60
    weight = np.full(60, 0.20 / 56)
    weight[[0, 15, 30, 45]] = (0.45, 0.08, 0.19, 0.08)
    # Planned times are whole minutes: all in the first second. One in twenty is sent when it is written.
    planned = curve * weight[minute] * 60 * np.where(seconds % 60 == 0, 60, 0)
    shape = 0.95 * planned / planned.sum() + 0.05 * curve / curve.sum()
    return np.random.default_rng(seed).poisson(shape * posts)


def lateness(due: np.ndarray, served_per_s: np.ndarray) -> tuple[float, float, float]:
    """Return lateness p50, p99 and worst in seconds, first come, first served.

    due: posts of each second; served_per_s: capacity of each second; both of shape (86400,).
    """
    offered, served = np.cumsum(due, dtype=float), np.cumsum(served_per_s)
    behind = offered - served
    # The queue is what was offered minus what could be served since it was last empty.
    queue = behind - np.minimum.accumulate(np.minimum(behind, 0.0))
    done = offered - queue
    # Ten posts stand for those of each second, by their place in the queue.
    places = (np.arange(10) + 0.5) / 10
    rank = (offered - due)[:, None] + due[:, None] * places
    finished = np.interp(rank.ravel(), done, np.arange(DAY) + 1.0)
    late = np.maximum(0.0, finished - np.repeat(np.arange(DAY), 10) - 1.0)
    order = np.argsort(late, kind="stable")
    weights = np.cumsum(np.repeat(due / 10, 10)[order])
    if not weights[-1]:
        return (0.0, 0.0, 0.0)
    found = np.searchsorted(weights, np.array(QUANTILES) * weights[-1])
    p50, p99, worst = (float(late[order[min(index, late.size - 1)]]) for index in found)
    return p50, p99, worst


def publisher_rate(measured: Measured, concurrency: int) -> float:
    """Return the posts a second of one publishing process: its sends at once, or its core, whichever ends first."""
    answer = sum(one.share * one.send_s for one in PLATFORMS) / sum(one.share for one in PLATFORMS)
    held = max(measured.held, 2 * concurrency)
    return min(min(concurrency, held) / answer, 1 / measured.publication_cpu_s)


def database_limit(measured: Measured, cores: float) -> float:
    """Return the publications a second for which PostgreSQL's cores are enough."""
    return cores / measured.publication_database_cpu_s


def simulate_publishers(
    scenario: Scenario, measured: Measured, *, processes: int, concurrency: int, database_cores: int = 2
) -> dict[str, float]:
    """Return lateness and load of so many publishers.

    database_cores: those of PostgreSQL for the publishers alone; its work is taken to spread over them evenly.
    """
    due = arrivals(scenario.posts_per_day(measured), scenario.seed)
    rate = publisher_rate(measured, concurrency)
    draw = np.random.default_rng(scenario.seed + 1)
    capacity = np.full(DAY, rate * processes)
    deaths = draw.integers(0, DAY - 30, draw.poisson(scenario.kills_per_day))
    for at in deaths:
        capacity[at : at + 12] -= min(
            rate * 4, rate * processes
        )  # a machine of four; its service manager restarts it
    limit = database_limit(measured, database_cores)
    capacity = np.minimum(np.maximum(capacity, 0.0), limit)
    p50, p99, worst = lateness(due, capacity)
    held = min(len(deaths) * 4 * measured.held, float(due.sum()))
    sending = min(len(deaths) * 4 * min(concurrency, rate * 2), float(due.sum()))
    if held + sending > 0.01 * due.sum():
        p99 = max(p99, measured.released_after_s)
    return {
        "processes": processes,
        "rate_per_process": rate,
        "database_limit": limit,
        "p50_s": p50,
        "p99_s": p99,
        "worst_s": max(worst, measured.looked_up_after_s if len(deaths) else 0.0),
        "busiest_second": float(due.max()),
        "kills": float(len(deaths)),
        "delayed_by_kills": held,
        "looked_up_after_kills": sending,
        "cores": float(due.sum()) * measured.publication_cpu_s / DAY,
        "database_cores": float(due.sum()) * measured.publication_database_cpu_s / DAY,
    }


def find_publishers(
    scenario: Scenario, measured: Measured, concurrency: int, database_cores: int
) -> dict[str, float]:
    """Return the smallest number of processes with a lateness p99 within ALLOWED_LATENESS; 0 = none is enough."""
    low, high = 1, 4_096
    best: dict[str, float] = {}
    while low <= high:
        middle = (low + high) // 2
        found = simulate_publishers(
            scenario, measured, processes=middle, concurrency=concurrency, database_cores=database_cores
        )
        if found["p99_s"] <= ALLOWED_LATENESS:
            best, high = found, middle - 1
        else:
            low = middle + 1
    return best


def simulate_ingest(scenario: Scenario, measured: Measured, *, every_s: float) -> dict[str, Any]:
    """Return requests a day and readers, if each account is visited every so many seconds when something is due."""
    draw = np.random.default_rng(scenario.seed + 2)
    requests: dict[str, float] = {}
    busy = cpu = database = visits = 0.0
    sample = 20_000
    for one in PLATFORMS:
        accounts = scenario.accounts * one.share
        if not accounts:
            continue
        # Few accounts post most: lognormal, scaled to the mean.
        rate = draw.lognormal(0.0, 1.5, sample)
        rate *= scenario.snapshots_per_day / scenario.accounts / rate.mean()
        due = draw.poisson(rate * every_s / DAY)
        asked = float(np.ceil(due / one.batch).mean()) * DAY / every_s * accounts
        requests[one.name] = asked
        busy += asked * one.read_s / DAY
        cpu += asked * measured.request_cpu_s / DAY
        visited = float((due > 0).mean()) * DAY / every_s * accounts
        database += visited * measured.visit_database_cpu_s / DAY
        visits += visited
    total = sum(requests.values())
    return {
        "every_s": every_s,
        "requests_per_day": total,
        "visits_per_day": visits,
        "snapshots_per_request": scenario.snapshots_per_day / total,
        "by_platform": requests,
        "readers_at_once": busy,
        "runs_at_default": busy / measured.readers / measured.slots_used,
        "cores": cpu,
        "database_cores": database,
    }


def growth(measured: Measured) -> tuple[float, float]:
    """Return (a, b): a load of 5,000 rows costs a + b * rows in the lake, in CPU seconds (least squares).

    The mean of all loads until there are so many rows is that of a lake with half of them.
    """
    rows, cost = np.array(measured.load_cpu_s).T
    b, a = np.polyfit(rows / 2, cost, 1)
    return float(a), float(b)


def simulate_lake(scenario: Scenario, measured: Measured) -> dict[str, float]:
    """Return how busy the one writer is after a day and after `lake_days`, and the rows from which it is too slow.

    What a load costs by itself grows with its rows, what it costs beside so many rows in the lake does not.
    """
    a, b = growth(measured)
    loads = scenario.snapshots_per_day / measured.rows_per_load
    own = a * measured.rows_per_load / 5_000

    def busy(rows: float) -> float:
        return loads * (own + b * rows) / DAY

    rows = scenario.snapshots_per_day * scenario.lake_days
    return {
        "cpu_s_per_load": own,
        "cpu_s_per_load_and_million_rows": b * 1e6,
        "busy_first_day": busy(scenario.snapshots_per_day),
        "busy_last_day": busy(rows),
        "rows": rows,
        "rows_one_writer_keeps_up": max(0.0, (DAY / loads - own) / b) if b > 0 else math.inf,
        "installations": math.ceil(
            scenario.snapshots_per_day / find_largest(scenario.lake_days, measured, own, b)
        ),
        "gb_per_day": scenario.snapshots_per_day * measured.snapshot_disk_bytes / 1e9,
        "loads_per_day": loads,
    }


def find_largest(days: int, measured: Measured, own: float, slope: float) -> float:
    """Return the snapshots a day with which one writer is busy all day once the lake has those of so many days."""
    # x / rows_per_load * (own + slope * days * x) = DAY
    a, b = slope * days, own
    return (math.sqrt(b * b + 4 * a * DAY * measured.rows_per_load) - b) / (2 * a) if a > 0 else math.inf


def find_breaks(measured: Measured, scenario: Scenario) -> list[tuple[float, str]]:
    """Return (accounts, what is too small from there on), with the default settings, the first to break first."""
    posts = scenario.posts_per_day(measured) / scenario.accounts
    breaks = []
    for one in PLATFORMS:
        if math.isfinite(one.posts_per_app_day):
            words = (
                f"{one.name}: {one.posts_per_app_day:,.0f} posts per app and day; ask the platform for more"
            )
            breaks.append((one.posts_per_app_day / posts / one.share, words))

    def least(fails: Any) -> float:  # noqa: ANN401 (a function of a scenario)
        low, high = 10.0, 1e7
        for _ in range(24):
            middle = math.sqrt(low * high)
            scale = middle / scenario.accounts
            sized = replace(
                scenario,
                accounts=round(middle),
                snapshots_per_day=scenario.snapshots_per_day * scale,
                kills_per_day=0.0,
            )
            low, high = (low, middle) if fails(sized) else (middle, high)
        return high

    def late(processes: int, concurrency: int) -> Any:  # noqa: ANN401 (a function of a scenario)
        return lambda sized: (
            simulate_publishers(sized, measured, processes=processes, concurrency=concurrency)["p99_s"]
            > ALLOWED_LATENESS
        )

    breaks += [
        (least(late(2, measured.concurrency)), "two publishers with default settings: p99 above 30 s"),
        (
            least(late(2, 1_000)),
            "two publishers with SOCIALFLOW_PUBLISH_CONCURRENCY=1000 and CLAIM_LIMIT=2000",
        ),
        (least(late(64, 1_000)), "two cores of PostgreSQL for the queue, any number of publishers"),
        (
            least(lambda sized: simulate_ingest(sized, measured, every_s=300.0)["runs_at_default"] > 1),
            "one ingest run that reads eight accounts at once, every five minutes",
        ),
        (
            least(lambda sized: simulate_ingest(sized, measured, every_s=300.0)["runs_at_default"] > 4),
            "four such runs (SOCIALFLOW_INGEST_RUNS)",
        ),
        (
            least(lambda sized: simulate_lake(sized, measured)["busy_last_day"] > 1),
            f"the lake's one writer, after {scenario.lake_days} days (extrapolated)",
        ),
        (
            least(
                lambda sized: measured.timing_fixed_s + measured.timing_account_s * sized.accounts > 3_600.0
            ),
            "the daily timing run takes an hour",
        ),
    ]
    return sorted(breaks)


def price(scenario: Scenario, measured: Measured, prices: Prices, cores: float) -> dict[str, float]:
    """Return USD a month: machines, storage, and what platforms charge."""
    posts = scenario.posts_per_day(measured)
    kept_gb = scenario.snapshots_per_day * 365 * measured.snapshot_disk_bytes / 1e9
    read_days = 10.0  # UTC days on which a post is measured: 14 readings, five of them on its first day
    platforms = sum(one.share * posts * (one.post_usd + read_days * one.read_usd) for one in PLATFORMS) * 30
    return {
        "machines": cores * prices.core_hour * 24 * 30,
        "lake_of_a_year": kept_gb * prices.gigabyte_month,
        "platforms": platforms,
    }


def run(scenario: Scenario, measured: Measured, prices: Prices) -> dict[str, Any]:
    """Return everything that the simulation says."""
    found: dict[str, Any] = {
        "accounts": scenario.accounts,
        "snapshots_per_day": scenario.snapshots_per_day,
        "posts_per_day": scenario.posts_per_day(measured),
        "rows_per_load": measured.rows_per_load,
    }
    default = find_publishers(scenario, measured, measured.concurrency, database_cores=32)
    tuned = find_publishers(scenario, measured, 1_000, database_cores=32)
    small = simulate_publishers(scenario, measured, processes=64, concurrency=1_000)
    found["publishers"] = {"default": default, "tuned": tuned, "two_core_database": small}
    found["ingest"] = [
        simulate_ingest(scenario, measured, every_s=every) for every in (300, 900, 3_600, 21_600)
    ]
    found["lake"] = simulate_lake(scenario, measured)
    chosen = found["ingest"][1]
    cores = {
        "publishers": tuned.get("processes", 0.0),
        "ingest": chosen["cores"] / prices.load,
        "lake_writer": 1.0,  # one at a time, however many cores there are
        "timing": (measured.timing_fixed_s + measured.timing_account_s * scenario.accounts) / 3_600,
        "database": 32.0,
    }
    found["cores"] = cores
    found["machines"] = math.ceil(sum(cores.values()) / prices.cores_per_machine)
    found["usd_per_month"] = price(scenario, measured, prices, sum(cores.values()))
    found["breaks"] = find_breaks(measured, scenario)
    return found


def tell(found: dict[str, Any]) -> None:
    """Print it in words."""
    print(
        f"{found['accounts']:,} accounts, {found['snapshots_per_day']:,.0f} snapshots and "
        f"{found['posts_per_day']:,.0f} posts a day"
    )
    print("\npublishers (first come, first served; 24 machines die in a day)")
    for name, one in found["publishers"].items():
        if not one:
            print(f"  {name}: no number of processes is enough")
            continue
        print(
            f"  {name}: {one['processes']:,.0f} processes of {one['rate_per_process']:.0f} posts/s, PostgreSQL up to "
            f"{one['database_limit']:,.0f}/s; busiest second {one['busiest_second']:,.0f} posts; lateness p50 "
            f"{one['p50_s']:.0f} s, p99 {one['p99_s']:.0f} s, worst {one['worst_s']:.0f} s; kills delay "
            f"{one['delayed_by_kills']:,.0f} posts and leave {one['looked_up_after_kills']:,.0f} to look-ups"
        )
    print("\ningest: how often an account is visited")
    for one in found["ingest"]:
        print(
            f"  every {one['every_s'] / 60:.0f} min: {one['requests_per_day']:,.0f} requests a day, "
            f"{one['snapshots_per_request']:.1f} snapshots each; {one['readers_at_once']:,.0f} accounts at once, "
            f"{one['runs_at_default']:,.0f} runs of eight, {one['cores']:.1f} cores, "
            f"{one['database_cores']:.1f} of PostgreSQL"
        )
    lake = found["lake"]
    print(
        f"\nlake: {lake['gb_per_day']:.1f} GB a day; a load of {found['rows_per_load']:,.0f} rows costs "
        f"{lake['cpu_s_per_load']:.2f} s and {lake['cpu_s_per_load_and_million_rows']:.2f} s per million rows in the "
        f"lake (extrapolated). Its one writer needs {lake['busy_first_day']:.1f} days for the first day, "
        f"{lake['busy_last_day']:.1f} with {lake['rows']:.1e} rows, and keeps up until "
        f"{lake['rows_one_writer_keeps_up']:.1e} rows; installations that would share it: {lake['installations']:.0f}"
    )
    print(f"\nmachines of four cores: {found['machines']:,}; cores: " + words(found["cores"]))
    print("USD a month (assumed prices; X's own prices): " + words(found["usd_per_month"]))
    print("\nwhat breaks first, by accounts, at this number of posts per account")
    for accounts, what in found["breaks"]:
        print(f"  {accounts:>12,.0f}  {what}")


SMALL_SIZES = (10, 100, 1_000, 10_000)


def tell_small(measured: Measured, snapshots_per_account: float) -> None:
    """Print what small installations need a day, from the same unit costs, as a Markdown table."""
    print(
        "| accounts | posts | snapshots | requests | CPU of publishing, ingestion, lake, timing | lake a year |"
    )
    print("|---:|---:|---:|---:|---:|---:|")
    for accounts in SMALL_SIZES:
        scenario = Scenario(accounts=accounts, snapshots_per_day=snapshots_per_account * accounts)
        posts = scenario.posts_per_day(measured)
        ingest = simulate_ingest(scenario, measured, every_s=300.0)
        # A run that finds something commits at least once: every five minutes at most. Loads do not touch posts older
        # than 90 days, which are not measured any more.
        loads = max(
            min(ingest["visits_per_day"], DAY / 300), scenario.snapshots_per_day / measured.rows_per_load
        )
        a, b = growth(measured)
        lake = loads * (a + b * scenario.snapshots_per_day * scenario.lake_days)
        lake += scenario.snapshots_per_day * a / 5_000
        cpu = (
            posts * (measured.publication_cpu_s + measured.publication_database_cpu_s),
            ingest["cores"] * DAY + ingest["database_cores"] * DAY,
            lake,
            measured.timing_fixed_s + measured.timing_account_s * accounts,
        )
        disk = scenario.snapshots_per_day * 365 * measured.snapshot_disk_bytes / 1e6
        print(
            f"| {accounts:,} | {posts:,.0f} | {scenario.snapshots_per_day:,.0f} | {ingest['requests_per_day']:,.0f} | "
            f"{', '.join(f'{one:,.0f}' for one in cpu)} s | {disk:,.0f} MB |"
        )


def words(values: dict[str, float]) -> str:
    """Return names and numbers in one line."""
    return ", ".join(f"{name} {value:,.0f}" for name, value in values.items())


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--snapshots", type=float, default=1e8, help="a day")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--small", action="store_true", help="a table for 10 to 10,000 accounts instead")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    scenario = Scenario(accounts=options.accounts, snapshots_per_day=options.snapshots, seed=options.seed)
    if options.small:
        tell_small(Measured(), options.snapshots / options.accounts)
        return
    found = run(scenario, Measured(), Prices())
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        tell(found)


if __name__ == "__main__":
    main()
