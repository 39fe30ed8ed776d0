"""One poisoned account among ten healthy ones: the ten are served as if it were not there, and the run says which."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from connectors.registry import ConnectorPool
from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.types import ListedPost, Platform
from flows.errors import PartlyFailedError
from flows.ingestion.followers import read_due_followers
from flows.ingestion.history import read_histories
from flows.ingestion.metrics import read_due_metrics
from flows.ingestion.placing import find_readable_posts
from flows.timing.refresh import compute_all_optimal_times, raise_if_failed
from flows.tokens.due_tokens import refresh_ending_tokens
from tests.connectors.harness import ODD_ITEMS, SANDBOX, Clock, account_of, spoil_item
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.accounts.credentials import open_account
from warehouse.store.models import AccountRow, Publication
from warehouse.store.posts.external_posts import record_external_posts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Container, Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from flows.resources import Resources
    from flows.run_report import RunReport

HEALTHY, FEW = 10, 3
"""One poison of each kind is tried among ten healthy accounts, the others among three: each account costs commits."""
Spoil = Callable[[Any], Any]
"""Makes another JSON value (or raw bytes) of a platform's answer."""


class Poison:
    """The simulated platforms; what one account is answered goes through `spoil` first."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.token = ""
        self.spoil: Spoil | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        spoil = self.spoil
        content = b""
        more = True
        while more:
            message = await receive()
            content += message.get("body", b"")
            more = message.get("more_body", False)
        owner = (dict(scope["headers"]).get(b"authorization", b"") + content).decode("latin-1")
        pending = [{"type": "http.request", "body": content, "more_body": False}]

        async def receive_again() -> Message:
            return pending.pop() if pending else await receive()

        if spoil is None or self.token not in owner:
            await self._app(scope, receive_again, send)
            return
        start: Message = {}
        body = b""

        async def collect(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
            else:
                body += message.get("body", b"")

        await self._app(scope, receive_again, collect)
        spoiled = spoil(json.loads(body)) if body.startswith((b"{", b"[")) else body
        body = spoiled if isinstance(spoiled, bytes) else json.dumps(spoiled).encode()
        headers = [item for item in start["headers"] if item[0] != b"content-length"]
        await send({**start, "headers": [*headers, (b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})


def each_status(change: Callable[[dict[str, Any]], Any]) -> Spoil:
    """Change every status of an answer, in lists and alone."""

    def spoil(answer: Any) -> Any:
        if isinstance(answer, list):
            return [spoil(item) for item in answer]
        return change(answer) if isinstance(answer, dict) and "favourites_count" in answer else answer

    return spoil


def first_status(change: Callable[[dict[str, Any]], Any]) -> Spoil:
    """Change the first status of a list, wherever else it is answered alone too."""
    chosen: set[str] = set()

    def spoil(answer: Any) -> Any:
        if isinstance(answer, list):
            return [spoil(item) for item in answer]
        if not isinstance(answer, dict) or "favourites_count" not in answer:
            return answer
        if not chosen:
            chosen.add(answer["id"])
        return change(answer) if answer["id"] in chosen else answer

    return spoil


POISONS: dict[str, Spoil] = {
    "other ids": each_status(lambda status: {**status, "id": f"X{status['id']}"}),
    "ids that are lists": each_status(lambda status: {**status, "id": [status["id"]]}),
    "no ids": each_status(lambda status: {key: value for key, value in status.items() if key != "id"}),
    "numbers beyond 64 bits": each_status(lambda status: {**status, "favourites_count": 2**70}),
    "numbers whose sums overflow": each_status(lambda status: {**status, "favourites_count": 2**62}),
    "numbers that are texts": each_status(lambda status: {**status, "favourites_count": "many"}),
    "numbers that are objects": each_status(lambda status: {**status, "replies_count": {"n": 1}}),
    "no objects at all": each_status(lambda _status: 7),
    "nothing": lambda _answer: None,
    "no JSON": lambda _answer: b"<html>",
}


@dataclass
class Crowd:
    """Eleven accounts of one platform; the first can be poisoned."""

    world: SandboxWorld
    resources: Resources
    pool: ConnectorPool
    clock: Clock
    poison: Poison
    accounts: list[AccountRow]

    @property
    def sick(self) -> AccountRow:
        return self.accounts[0]

    def row(self, account_id: str) -> AccountRow:
        with self.resources.store.read() as session:
            return session.get_one(AccountRow, account_id)

    def count(self, sql: str) -> dict[str, int]:
        rows = self.resources.lake.query(f"SELECT account_id, count(*) AS n FROM {sql} GROUP BY ALL")  # noqa: S608 (names of tables)
        return {row["account_id"]: row["n"] for row in rows}

    def assert_only_the_first_failed(self, report: RunReport) -> None:
        assert report.accounts == len(self.accounts)
        assert [self.sick.id in name for name in report.failures] == [True]
        with pytest.raises(PartlyFailedError):
            report.raise_if_failed()
        assert self.row(self.sick.id).last_error
        assert [self.row(item.id).last_error for item in self.accounts[1:]] == [None] * len(self.accounts[1:])

    async def find_posts(self) -> None:
        """Record every account's posts, due at once, without the lake: a commit for each account takes its time."""
        for row in self.accounts:
            connector = self.pool.open(open_account(row, self.resources.store.cipher))
            page = await connector.list_publications(since=self.clock() - timedelta(days=5))
            with self.resources.store.write() as session:
                record_external_posts(
                    session, row, page.posts, self.clock(), next_snapshot_at=lambda _at: self.clock()
                )

    def damage_credential(self) -> None:
        with self.resources.store.write() as session:
            session.get_one(AccountRow, self.sick.id).credentials = b"not what was encrypted"


@pytest.fixture
def healthy() -> int:
    return HEALTHY


@pytest.fixture(params=["mastodon"])
async def crowd(
    request: pytest.FixtureRequest, resources: Resources, clock: Clock, healthy: int
) -> AsyncIterator[Crowd]:
    world = SandboxWorld(now=clock, history_days=5, accounts_per_platform=healthy + 1)
    settings = ConnectorSettings(
        twitter_base_url=SANDBOX,
        twitter_client_id="client-of-the-tests",
        allow_private_instances=True,
        read_attempts=1,
        request_timeout=5,
    )
    poison = Poison(create_sandbox_app(world))
    async with ConnectorPool(settings, transport=httpx.ASGITransport(poison), clock=clock) as pool:
        owners = [item for item in world.accounts if item.platform is Platform(request.param)]
        rows = []
        for owner in owners:
            verified = await pool.open(account_of(owner)).verify()
            with resources.store.write() as session:
                workspace = ensure_default_workspace(session, clock())
                rows.append(
                    connect_account(
                        session, resources.store.cipher, workspace.id, verified, owner.platform, clock()
                    )
                )
        poison.token = owners[0].access_token
        yield Crowd(world, resources, pool, clock, poison, rows)


async def read_history(crowd: Crowd) -> RunReport:
    return await read_histories(crowd.resources, crowd.pool, run_id="history", clock=crowd.clock)


async def measure(crowd: Crowd) -> RunReport:
    return await read_due_metrics(crowd.resources, crowd.pool, run_id="test", clock=crowd.clock)


def ten_once(poisons: Iterable[str], *, often: Container[str] = ()) -> pytest.MarkDecorator:
    """Try each poison; those not in `often` (default: all are) only in `make test-long`."""
    return pytest.mark.parametrize(
        ("poison", "healthy"),
        [
            pytest.param(
                poison, FEW if at else HEALTHY, marks=[] if not often or poison in often else pytest.mark.long
            )
            for at, poison in enumerate(poisons)
        ],
    )


@ten_once(POISONS, often={"other ids", "no objects at all"})
async def test_metrics(crowd: Crowd, poison: str) -> None:
    await crowd.find_posts()
    crowd.poison.spoil = POISONS[poison]
    report = await measure(crowd)
    crowd.assert_only_the_first_failed(report)
    assert set(crowd.count("raw.post_snapshots")) == {row.id for row in crowd.accounts[1:]}
    crowd.poison.spoil = None
    crowd.clock.advance(days=1)
    assert (await measure(crowd)).failures == {}
    assert crowd.sick.id in crowd.count("raw.post_snapshots")


@ten_once(
    ["other ids", "numbers beyond 64 bits", "no ids", "numbers that are objects"],
    often={"other ids", "no ids"},
)
async def test_one_odd_post_costs_its_account_no_other_post(crowd: Crowd, poison: str) -> None:
    await crowd.find_posts()
    crowd.poison.spoil = {
        "other ids": first_status(lambda status: {**status, "id": f"X{status['id']}"}),
        "numbers beyond 64 bits": first_status(lambda status: {**status, "favourites_count": 2**70}),
        "no ids": first_status(lambda status: {**status, "id": None}),
        "numbers that are objects": first_status(lambda status: {**status, "replies_count": {"n": 1}}),
    }[poison]
    report = await measure(crowd)
    crowd.assert_only_the_first_failed(report)
    assert report.counts["due"] - report.counts["measured"] == 1
    with crowd.resources.store.read() as session:
        odd = session.query(Publication).filter(Publication.snapshot_failures > 0).all()
    # It is asked for again later, not in every run.
    assert [row.account_id for row in odd] == [crowd.sick.id]
    assert odd[0].next_snapshot_at is not None
    assert odd[0].next_snapshot_at > crowd.clock()


@ten_once(
    ["other ids", "numbers whose sums overflow", "no ids", "no JSON"],
    often={"numbers whose sums overflow", "no JSON"},
)
async def test_history(crowd: Crowd, poison: str) -> None:
    crowd.poison.spoil = POISONS[poison]
    report = await read_history(crowd)
    if poison != "other ids":  # in a listing, any id is the post's own
        crowd.assert_only_the_first_failed(report)
    found = crowd.count("raw.post_snapshots")
    assert all(found.get(row.id, 0) > 0 for row in crowd.accounts[1:])


@pytest.mark.parametrize("healthy", [FEW])
async def test_one_odd_item_costs_its_history_no_other_post(crowd: Crowd) -> None:
    def spoil_every_page(answer: Any) -> Any:
        return spoil_item(answer, 1, ODD_ITEMS["times that are words"]) if len(answer) > 1 else answer

    crowd.poison.spoil = spoil_every_page
    report = await read_history(crowd)
    crowd.assert_only_the_first_failed(report)
    assert "cannot be read" in (crowd.row(crowd.sick.id).last_error or "")
    listed = {
        owner.handle: len(crowd.world.published(Platform.MASTODON, owner.handle))
        for owner in crowd.world.accounts
    }
    with crowd.resources.store.read() as session:
        kept = {
            row.handle: session.query(Publication).filter_by(account_id=row.id).count()
            for row in crowd.accounts
        }
    assert {name.split("@")[0]: count for name, count in kept.items()} == {
        row.handle.split("@")[0]: listed[row.handle.split("@")[0]] - (row is crowd.sick)
        for row in crowd.accounts
    }
    assert crowd.row(crowd.sick.id).backfill_cursor is None
    found = crowd.count("raw.post_snapshots")
    assert all(found.get(row.id, 0) > 0 for row in crowd.accounts)


def test_odd_posts_of_a_listing_are_left_out_alone() -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    good = ListedPost("1", at, "hello", "text", "https://m.example/1")
    odd: list[Any] = [
        replace(good, external_id=""),
        replace(good, external_id="x" * 301),
        replace(good, external_id="\ud83d"),
        replace(good, external_id=7),  # type: ignore[arg-type]  # what a platform may send
        replace(good, published_at=at.replace(tzinfo=None)),
        replace(good, published_at=datetime(1901, 1, 1, tzinfo=UTC)),
        replace(good, published_at="yesterday"),  # type: ignore[arg-type]  # same
        replace(good, text=None),  # type: ignore[arg-type]  # same
    ]
    halved = replace(good, external_id="2", text="half \ud83d of a pair\0")
    problems: list[str] = []
    kept = find_readable_posts([good, *odd, halved], problems)
    assert [(post.external_id, post.text) for post in kept] == [("1", "hello"), ("2", "half ? of a pair")]
    assert len(problems) == len(odd)


@pytest.mark.parametrize("healthy", [FEW])
async def test_text_that_no_database_takes_is_cleaned(crowd: Crowd) -> None:
    crowd.poison.spoil = first_status(lambda status: {**status, "content": "before\0 after"})
    report = await read_history(crowd)
    assert report.failures == {}
    with crowd.resources.store.read() as session:
        texts = [
            row.content["text"] for row in session.query(Publication).filter_by(account_id=crowd.sick.id)
        ]
    assert "before after" in texts


@pytest.mark.parametrize(
    "followers", [2**70, "many", {"n": 1}, [], True], ids=["huge", "text", "object", "list", "bool"]
)
async def test_followers(crowd: Crowd, followers: Any) -> None:
    crowd.poison.spoil = lambda answer: (
        {**answer, "followers_count": followers} if isinstance(answer, dict) else answer
    )
    report = await read_due_followers(crowd.resources, crowd.pool, run_id="test", clock=crowd.clock)
    crowd.assert_only_the_first_failed(report)
    assert report.counts["snapshots"] == HEALTHY
    assert set(crowd.count("raw.account_snapshots")) == {row.id for row in crowd.accounts[1:]}


@pytest.mark.parametrize(
    ("reader", "healthy"), [("metrics", HEALTHY), ("followers", HEALTHY), ("history", FEW)]
)
async def test_a_credential_that_cannot_be_decrypted(crowd: Crowd, reader: str) -> None:
    if reader == "metrics":
        await crowd.find_posts()
    crowd.damage_credential()
    if reader == "metrics":
        report = await measure(crowd)
    elif reader == "followers":
        report = await read_due_followers(crowd.resources, crowd.pool, run_id="test", clock=crowd.clock)
    else:
        report = await read_history(crowd)
    crowd.assert_only_the_first_failed(report)


async def test_a_publication_that_the_lake_cannot_take(crowd: Crowd) -> None:
    await crowd.find_posts()
    with crowd.resources.store.write() as session:
        damaged = session.query(Publication).filter_by(account_id=crowd.sick.id).first()
        assert damaged is not None
        damaged.published_at = None
    report = await measure(crowd)
    assert list(report.failures) == [f"publication {damaged.id}"]
    assert report.counts["measured"] == report.counts["due"] - 1 > 0


@pytest.mark.parametrize("crowd", ["twitter"], indirect=True)
@pytest.mark.parametrize("poison", ["credential", "answer", "empty answer", "platform"])
async def test_tokens(crowd: Crowd, poison: str) -> None:
    crowd.clock.advance(hours=1, minutes=55)
    if poison == "credential":
        crowd.damage_credential()
    elif poison == "platform":
        with crowd.resources.store.write() as session:
            session.get_one(AccountRow, crowd.sick.id).platform = "myspace"
    else:
        # A refresh carries no access token: its body tells whose it is.
        token = crowd.resources.store.cipher.decrypt_credentials(crowd.sick.credentials or b"").refresh_token
        assert token is not None
        crowd.poison.token = token.get_secret_value()
        crowd.poison.spoil = lambda _answer: b"[]" if poison == "answer" else b""
    report = await refresh_ending_tokens(crowd.resources, crowd.pool, clock=crowd.clock)
    assert report.counts["refreshed"] == HEALTHY
    if poison != "platform":  # of a platform without a connector nothing is known to be due
        crowd.assert_only_the_first_failed(report)


@pytest.mark.parametrize("healthy", [FEW])
async def test_times(crowd: Crowd) -> None:
    await read_history(crowd)
    with crowd.resources.store.write() as session:
        session.get_one(AccountRow, crowd.sick.id).timezone = "Mars/Olympus_Mons"
    summary = compute_all_optimal_times(crowd.resources, clock=crowd.clock)
    assert list(summary["failures"]) == [crowd.sick.id]
    assert set(crowd.count("marts.optimal_times").values()) == {168}
    assert len(crowd.count("marts.optimal_times")) == FEW + 1
    with pytest.raises(PartlyFailedError, match="Mars"):
        raise_if_failed(summary)


async def test_an_account_that_is_always_refused_costs_few_requests(crowd: Crowd) -> None:
    await crowd.find_posts()
    crowd.poison.spoil = POISONS["no JSON"]
    before = crowd.world.requests.total()
    await measure(crowd)
    assert crowd.world.requests.total() - before < HEALTHY * 2 + 60
