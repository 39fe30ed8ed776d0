"""A home with half a year of simulated history and posts in every state, for pictures, browser tests and axe.

`python -m tests.browser.scene FOLDER` serves it until Ctrl-C and prints a key and its secret.
"""

from __future__ import annotations

import asyncio
import struct
import sys
import threading
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import httpx
from pydantic import SecretStr
from sqlalchemy import select

from connectors.registry import ConnectorPool
from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.types import Credentials, Platform, VerifiedAccount
from flows.ingestion.history import read_histories
from flows.resources import Resources
from flows.settings import FlowSettings
from flows.timing.refresh import compute_all_optimal_times
from tests.api.harness import PUBLIC_URL, RunningServer, SettableClock, Tenant, open_client
from warehouse.lake.load import load_account_snapshots, load_post_snapshots
from warehouse.lake.rows import AccountSnapshot, PostSnapshot
from warehouse.settings import WarehouseSettings
from warehouse.store.access.api_keys import SCOPES, create_api_key
from warehouse.store.access.workspaces import ensure_default_workspace, update_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.models import AccountRow, Publication

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.harness import Server
    from warehouse.store.access.api_keys import CreatedApiKey

MORNING = datetime(2026, 3, 4, 8, 20, tzinfo=UTC)
"""A Wednesday; 9:20 in Berlin."""
ZONE = "Europe/Berlin"
PLATFORMS = (Platform.TWITTER, Platform.INSTAGRAM, Platform.MASTODON, Platform.BLUESKY)
WORDS = (
    "Good morning from the harbour: the first tea of the season is in.",
    "Unpacking the new leaves. Can you smell it through the screen?",
    "Ask us anything about brewing temperatures, we are around until noon.",
    "Our smallest teapot holds exactly one cup. A short love story.",
    "Reminder: the tasting on Saturday has three places left.",
    "An hour of calm: what we are listening to in the shop today.",
    "Lunch break reading: how oolong got its name.",
    "Behind the counter: Ada weighs, Bo tells stories.",
    "Closing time. Tomorrow we try the smoked one again.",
    "The kettle we would take to an island.",
    "Five minutes in the tea garden, before the rain.",
    "Which cup would you choose? Left or right?",
)


def draw_png(size: int = 64) -> bytes:
    """Return a real picture, a green gradient, which browsers show and platforms accept."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(
        b"\0" + b"".join(bytes((60 + x, 110 + y, 70 + (x * y) % 50)) for x in range(size))
        for y in range(size)
    )
    head = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@dataclass
class Scene:
    """The running server, an administrator's key, and a workspace with everything in it."""

    server: Server
    tenant: Tenant
    key: CreatedApiKey


def build_home(home: Path, clock: SettableClock, *, days: int = 182) -> None:
    """Connect four accounts, read `days` of their history, compute their times; 0 = no history."""
    world = SandboxWorld(seed=7, now=clock, history_days=days)
    transport = httpx.ASGITransport(create_sandbox_app(world))  # type: ignore[arg-type]  # an ASGI app like any other
    resources = Resources(WarehouseSettings(home=home), FlowSettings())
    with resources:
        with resources.store.write() as session:
            workspace = ensure_default_workspace(session, clock())
            update_workspace(session, workspace.id, timezone=ZONE)
            workspace.name = "Harborlight Tea"
            for account in world.accounts:
                if account.platform not in PLATFORMS:
                    continue
                refresh = SecretStr(account.refresh_token) if account.refresh_token else None
                verified = VerifiedAccount(
                    account.external_id,
                    account.handle,
                    account.display_name,
                    Credentials(SecretStr(account.access_token), refresh),
                    instance_url="https://tea.example" if account.platform == Platform.MASTODON else None,
                )
                connect_account(
                    session, resources.store.cipher, workspace.id, verified, account.platform, clock()
                )

        async def read() -> None:
            settings = ConnectorSettings(allow_private_instances=True)
            async with ConnectorPool(settings, clock=clock, transport=transport) as pool:
                history = await read_histories(resources, pool, run_id="scene", clock=clock, days=days)
                history.raise_if_failed()

        if not days:
            return
        asyncio.run(read())
        measure(resources, world, clock(), days=min(days, 60))
        compute_all_optimal_times(resources)


def measure(resources: Resources, world: SandboxWorld, now: datetime, *, days: int) -> None:
    """Load the numbers of the last days as if they had been read all along, with four days' gap in the followers."""
    with resources.store.read() as session:
        accounts = {row.external_id: row for row in session.scalars(select(AccountRow))}
        publications = {row.external_id: row for row in session.scalars(select(Publication))}
    counts, snapshots = [], []
    for account in world.accounts:
        row = accounts.get(account.external_id)
        if row is None or row.platform != account.platform:
            continue
        for day in range(-days, 1):
            if day not in range(-20, -16):
                at = now + timedelta(days=day)
                counts.append(
                    AccountSnapshot(row.workspace_id, row.id, at, account.followers(at.timestamp()))
                )
        for post in world.timeline(account):
            known = publications.get(post.external_id)
            if known is None or known.published_at is None or known.published_at < now - timedelta(days=days):
                continue
            for hours in (1, 6, 24, 72, 168, 336, 720):
                at = known.published_at + timedelta(hours=hours)
                if at <= now:
                    seen = world.counters(post, at.timestamp())
                    snapshots.append(
                        PostSnapshot(
                            row.workspace_id, known.id, row.id, at, known.published_at, impressions=seen.impressions,
                            likes=seen.likes, comments=seen.comments, shares=seen.reposts + seen.quotes,
                        )
                    )  # fmt: skip
    load_account_snapshots(resources.lake, counts, "scene")
    load_post_snapshots(resources.lake, snapshots, "scene")


def fill(scene: Scene) -> None:
    """Plan posts in every state: scheduled over two weeks, a draft, one failed, one to decide, slots, a rule."""
    tenant, clock = scene.tenant, scene.server.clock
    zone = ZoneInfo(ZONE)
    start = clock().astimezone(zone).replace(minute=0, second=0)
    picture = tenant.upload(draw_png(), "leaves.png")
    by_platform = {row["platform"]: row["id"] for row in tenant.client.get("/api/v1/accounts").json()["data"]}
    plan = [
        (0, 12, ("mastodon",)), (0, 18, ("twitter", "mastodon", "bluesky")), (1, 9, ("bluesky",)),
        (1, 18, ("instagram",)), (2, 12, ("twitter",)), (3, 10, ("mastodon", "bluesky")), (4, 17, ("instagram",)),
        (6, 9, ("twitter", "bluesky")), (7, 18, ("mastodon",)), (9, 12, ("instagram",)), (12, 18, ("twitter",)),
    ]  # fmt: skip
    for number, (day, hour, platforms) in enumerate(plan):
        at = (start + timedelta(days=day)).replace(hour=hour, minute=30 if number % 3 else 0)
        # Instagram fetches media by address, and this installation has none for its uploads.
        url = "https://cdn.example/leaves.png" if "instagram" in platforms else picture["url"]
        media = [{"url": url, "alt_text": "Green tea leaves in a wooden bowl"}]
        tenant.create_post(
            content=WORDS[number],
            platforms=list(platforms),
            scheduled_at=at.isoformat(),
            media=media if "instagram" in platforms or number % 3 == 1 else [],
        )
    tenant.create_post(
        content="An idea for spring: picnic blankets and iced oolong.",
        platforms=[],
        status="draft",
        scheduled_at=None,
    )
    soon = (clock() + timedelta(minutes=5)).isoformat()
    broken = tenant.create_post(
        content="Our new opening hours, and why they changed.", platforms=["bluesky"], scheduled_at=soon
    )
    unclear = tenant.create_post(
        content="Thank you for a wonderful tasting.", platforms=["mastodon"], scheduled_at=soon
    )
    with scene.server.services.store.write() as session:
        for made, status, reason in (
            (broken, "failed", "the platform refused the link in it"),
            (unclear, "needs_review", "the connection broke while it was being sent"),
        ):
            row = session.get_one(Publication, made["publications"][0]["id"])
            row.status, row.reason, row.attempts, row.first_attempt_at = status, reason, 1, clock()
            row.due_at = None
    for weekday in (0, 2, 4):
        tenant.create_slot(by_platform["mastodon"], weekday, "15:00")
    tenant.create_recurrence(
        rrule="FREQ=WEEKLY;BYDAY=SU",
        starts_at="2026-03-08T11:00:00",
        content="Sunday tea",
        platforms=["bluesky"],
    )


@contextmanager
def open_scene(home: Path, *, days: int = 182) -> Iterator[Scene]:
    """Build the home, run the API on it, and yield both."""
    clock = SettableClock(MORNING)
    build_home(home, clock, days=days)
    with RunningServer(home, clock) as server:
        store = server.services.store
        with store.write() as session:
            workspace = ensure_default_workspace(session, clock())
            key = create_api_key(session, store.cipher, workspace.id, "Ada", SCOPES, clock())
        tenant = Tenant(server, workspace.id, key, open_client(server, key))
        scene = Scene(server, tenant, key)
        fill(scene)
        yield scene
        tenant.client.close()


def main() -> None:
    """Serve the scene until Ctrl-C."""
    with open_scene(Path(sys.argv[1])) as scene:
        print(scene.server.url, scene.key.api_key, scene.key.api_secret, PUBLIC_URL, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
