"""A copy of a home, or a restored one, looks up what the original may have sent before it sends anything."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from sqlalchemy import create_engine, make_url, select, text

from connectors.registry import ConnectorPool
from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.faults import FaultRule
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.types import Media, Platform, PostContent
from flows.publishing.publisher import run_publisher
from flows.publishing.settings import PublisherSettings
from tests.connectors.harness import SANDBOX, account_of
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.database import Store
from warehouse.store.installation import LAST_BEAT, arrive, mark_restored, read_arrival, write_last_beat
from warehouse.store.models import AccountRow, Instance, Publication
from warehouse.store.posts.posts import PostDraft, Target, create_post
from warehouse.store.publishing.claims import claim_due
from warehouse.store.publishing.heartbeats import begin_beating
from warehouse.store.publishing.ledger import verify_ledger
from warehouse.store.publishing.outcomes import begin_sending

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from flows.publishing.report import PublishReport

HOUR = timedelta(hours=1)
QUICK = PublisherSettings(
    poll=timedelta(milliseconds=50), settle=timedelta(milliseconds=100), look_ahead=timedelta(seconds=2)
)


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Town:
    """Simulated platforms, and homes that publish to them."""

    world: SandboxWorld
    pool: ConnectorPool
    folder: Path
    accounts: dict[str, AccountRow] = field(default_factory=dict)

    def open(self, name: str) -> Store:
        return Store.open(WarehouseSettings(home=self.folder / name))

    def copy(self, name: str) -> None:
        shutil.copytree(self.folder / "original", self.folder / name, copy_function=shutil.copy2)

    def connect(self, store: Store, verified: dict[str, object]) -> None:
        with store.write() as session:
            workspace = ensure_default_workspace(session, utc_now())
            for platform, answer in verified.items():
                self.accounts[platform] = connect_account(
                    session, store.cipher, workspace.id, answer, Platform(platform), utc_now()
                )

    def schedule(self, store: Store, platform: str, words: str, *, at: datetime | None = None) -> str:
        media = ()
        if platform in {"instagram", "threads", "facebook", "pinterest"}:
            media = (Media(url=f"{SANDBOX}/_sandbox/media/a.png"),)
        if platform in {"tiktok", "youtube"}:
            media = (Media(url=f"{SANDBOX}/_sandbox/media/a.mp4"),)
        account = self.accounts[platform]
        draft = PostDraft(
            content=words,
            targets=[Target(account=account, content=PostContent(text=words, media=media))],
            scheduled_at=at or utc_now(),
            allow_duplicate=True,
        )
        with store.write() as session:
            post = create_post(session, account.workspace_id, draft, utc_now())
            return session.scalars(select(Publication.id).where(Publication.post_id == post.id)).one()

    async def publish(self, store: Store, seconds: float = 0.5, *, late: timedelta = HOUR) -> PublishReport:
        return await run_publisher(
            store, self.pool, horizon=timedelta(seconds=seconds), max_lateness=late, settings=QUICK
        )

    async def settle(self, store: Store, publications: list[str]) -> None:
        """Publish until each of these is decided."""
        for _ in range(30):
            await self.publish(store, 0.3)
            if {row.status for row in self.read(store, publications)} <= {
                "published",
                "needs_review",
                "failed",
            }:
                return

    def read(self, store: Store, publications: list[str]) -> list[Publication]:
        with store.read() as session:
            assert [verify_ledger(session, key) for key in publications] == [[]] * len(publications)
            return [session.get_one(Publication, key) for key in publications]

    def out(self, platform: str) -> list[str]:
        return [post.text for post in self.world.published(Platform(platform), via="api")]


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    world = SandboxWorld(history_days=2)
    addresses = {name: SANDBOX for name in ConnectorSettings.model_fields if name.endswith("_base_url")}
    settings = ConnectorSettings.model_validate(
        {
            **addresses,
            "twitter_client_id": "client-of-the-tests",
            "allow_private_instances": True,
            "poll_interval": 0.01,
            "request_timeout": 2,
        }
    )
    transport = httpx.ASGITransport(create_sandbox_app(world))
    async with ConnectorPool(settings, transport=transport) as pool:
        town = Town(world, pool, tmp_path / "homes")
        verified = {str(item.platform): await pool.open(account_of(item)).verify() for item in world.accounts}
        with town.open("original") as store:
            town.connect(store, verified)
        yield town


PLATFORMS = (
    "twitter", "instagram", "mastodon", "bluesky", "facebook", "threads", "linkedin", "tiktok", "youtube",
    "pinterest", "telegram",
)  # fmt: skip


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_copy_sends_nothing_that_the_original_has_sent(town: Town, platform: str) -> None:
    if platform not in town.accounts:
        pytest.skip("the simulated world has no account there")
    with town.open("original") as store:
        await town.publish(store, 0)
        kept = town.schedule(store, platform, "both homes know this post", at=utc_now() + timedelta(hours=1))
        with store.write() as session:  # due at once in both homes, without a publisher at work in between
            row = session.get_one(Publication, kept)
            row.scheduled_at = row.due_at = utc_now()
    town.copy("copy")
    with town.open("original") as store:
        await town.settle(store, [kept])
        assert [row.status for row in town.read(store, [kept])] == ["published"]
    with town.open("copy") as store:
        await town.settle(store, [kept])
        (row,) = town.read(store, [kept])
        with store.read() as session:
            assert read_arrival(session) is not None
    assert len(town.out(platform)) == 1
    can_be_asked = platform not in {"telegram", "tiktok"}
    assert row.status == ("published" if can_be_asked else "needs_review"), row.reason


@pytest.mark.parametrize("platform", ["twitter", "instagram", "mastodon", "bluesky", "youtube"])
async def test_a_copy_sends_what_is_proven_absent(town: Town, platform: str) -> None:
    with town.open("original") as store:
        await town.publish(store, 0)
        kept = town.schedule(store, platform, "the original never sent this")
        late = town.schedule(store, platform, "too late for anybody", at=utc_now() - timedelta(hours=3))
        ahead = town.schedule(store, platform, "tomorrow", at=utc_now() + timedelta(days=1))
    town.copy("copy")
    with town.open("copy") as store:
        await town.settle(store, [kept, late])
        rows = town.read(store, [kept, late, ahead])
    assert [row.status for row in rows] == ["published", "needs_review", "scheduled"]
    assert rows[1].reason_code == "too_late"
    assert "sent_elsewhere" not in rows[0].send_state
    assert town.out(platform) == ["the original never sent this"]


@pytest.mark.parametrize("state", ["claimed", "sending"])
@pytest.mark.parametrize("platform", ["instagram", "mastodon"])
async def test_what_was_under_way_is_looked_up(town: Town, platform: str, state: str) -> None:
    now = utc_now()
    with town.open("original") as store:
        await town.publish(store, 0)
        kept = town.schedule(store, platform, "under way while the home was copied")
        with store.write() as session:
            begin_beating(session, "elsewhere:1:a", now)
            claim_due(session, owner="elsewhere:1:a", now=now, horizon=now + HOUR, limit=1, lease=HOUR)
            if state == "sending":
                begin_sending(
                    session, [kept], owner="elsewhere:1:a", now=now, lease_until=now + timedelta(seconds=3)
                )
    town.copy("copy")
    with town.open("original") as store:
        with store.write() as session:
            row = session.get_one(Publication, kept)
            row.status, row.lease_owner = "scheduled", None
        await town.settle(store, [kept])
    assert len(town.out(platform)) == 1
    with town.open("copy") as store:
        await town.settle(store, [kept])
        assert [row.status for row in town.read(store, [kept])] == ["published"]
    assert len(town.out(platform)) == 1


async def test_lost_answers_of_a_copy_double_nothing(town: Town) -> None:
    texts = [f"number {n} of many, each in its own words: {n * 7919}" for n in range(12)]
    with town.open("original") as store:
        await town.publish(store, 0)
        kept = [town.schedule(store, ("mastodon", "bluesky")[n % 2], words) for n, words in enumerate(texts)]
    town.copy("copy")
    for platform in (Platform.MASTODON, Platform.BLUESKY):
        rule = FaultRule(kind="reset_after", platform=platform, operation="publish", count=3)
        town.world.faults.add(rule)
    with town.open("original") as store:
        await town.settle(store, kept[:8])
    with town.open("copy") as store:
        await town.settle(store, kept)
    out = town.out("mastodon") + town.out("bluesky")
    assert sorted(out) == sorted(set(out)), "a post is there twice"


async def test_an_in_place_restart_is_no_copy(town: Town) -> None:
    for _ in range(2):
        with town.open("original") as store:
            await town.publish(store, 0)
            with (
                store.write() as session
            ):  # a heartbeat, as of a publisher that lives for more than two seconds
                begin_beating(session, f"here:1:{utc_now().timestamp()}", utc_now())
            write_last_beat(store, utc_now())
    home = town.folder / "original"
    for path in home.iterdir():
        path.chmod(0o600 if path.is_file() else 0o700)
        os.chown(path, os.getuid(), os.getgid())
    (town.folder / "original").rename(town.folder / "moved")
    with town.open("moved") as store:
        assert arrive(store, utc_now()) is None
        with store.read() as session:
            assert (session.get_one(Instance, 1).generation, read_arrival(session)) == (1, None)


async def test_an_older_database_in_the_place_of_the_file_is_noticed(town: Town) -> None:
    home = town.folder / "original"
    now = utc_now()
    with town.open("original") as store:
        arrive(store, now)
        with store.write() as session:
            begin_beating(session, "here:1:a", now)
    older = (home / "socialflow.sqlite").read_bytes()
    with town.open("original") as store:
        with store.write() as session:
            begin_beating(session, "here:1:b", now + HOUR)
        write_last_beat(store, now + HOUR)
        assert arrive(store, now + HOUR) is None
    assert (home / LAST_BEAT).stat().st_mode & 0o077 == 0
    (home / "socialflow.sqlite").write_bytes(older)  # the same file, with older content
    with town.open("original") as store:
        arrival = arrive(store, now + HOUR)
        assert arrival is not None
        assert (arrival.generation, arrival.since) == (2, now)
        assert "older than the last publisher" in arrival.reason
        assert arrive(store, now + HOUR) is None


async def test_a_disk_image_on_another_machine_is_noticed(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = tmp_path / "machine-id"
    monkeypatch.setattr("warehouse.store.installation._MACHINE_ID", machine)
    with town.open("original") as store:
        machine.write_text("one\n")
        assert arrive(store, utc_now()) is None
        machine.unlink()  # a system without one proves nothing
        assert arrive(store, utc_now()) is None
        machine.write_text("another\n")
        arrival = arrive(store, utc_now())
        assert arrival is not None
        assert arrival.reason == "it is on another machine"


def test_a_copied_postgres_database_is_noticed(postgres_url: str, tmp_path: Path) -> None:
    settings = WarehouseSettings(home=tmp_path / "home", database_url=postgres_url)
    with Store.open(settings) as store:
        assert arrive(store, utc_now()) is None
        assert arrive(store, utc_now()) is None
        with store.read() as session:
            assert set(session.get_one(Instance, 1).place or {}) == {"database", "system", "timeline"}
    address = make_url(postgres_url)
    copy = f"{address.database}_copy"
    engine = create_engine(address.set(database="template1"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {copy} TEMPLATE {address.database} STRATEGY file_copy"))
    engine.dispose()
    copied = address.set(database=copy).render_as_string(hide_password=False)
    with Store.open(settings.model_copy(update={"database_url": copied})) as store:
        arrival = arrive(store, utc_now())
        assert arrival is not None
        assert arrival.reason == "it is another PostgreSQL database"


def test_a_restored_store_says_so_once(store: Store) -> None:
    mark_restored(store, utc_now())
    arrival = arrive(store, utc_now())
    assert arrival is not None
    assert "a backup of" in arrival.message
    assert arrive(store, utc_now()) is None
