"""Notifications reach a real HTTP receiver through apprise: each thing once, with bounded retries, without secrets."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from sqlalchemy import update
from typer.testing import CliRunner

from connectors.types import Credentials, Platform, PostContent, VerifiedAccount
from flows.cli import app
from flows.errors import FlowBusyError
from flows.exclusive_runs import run_exclusively
from flows.notifications import starter
from flows.notifications.notifier import LEASE, check_notifications, has_work, run_round
from flows.notifications.sender import open_senders
from flows.notifications.settings import NotifySettings
from flows.notifications.starter import LOOK_EVERY, Watch, look_once
from tests.connectors.harness import Clock
from tests.flows.publishing.webhook_receiver import Receiver, Reply
from warehouse.errors import SetupError
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.accounts.credentials import mark_revoked
from warehouse.store.database import Store
from warehouse.store.leases.flow_leases import FlowState, expect_flows
from warehouse.store.models import Publication
from warehouse.store.notifications.outbox import (
    MOST_WAITING,
    RETRY_AFTER,
    Message,
    Outbox,
    Target,
    read_outbox,
)
from warehouse.store.posts.posts import PostDraft, create_post
from warehouse.store.posts.posts import Target as PostTarget
from warehouse.store.publishing.ledger import append_event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


WORD = "hunter2secretword"
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)  # a Wednesday


class Home:
    """A store with one account, and a clock."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = Clock(NOW)
        with store.write() as session:
            self.workspace_id = ensure_default_workspace(session, NOW).id
            verified = VerifiedAccount(
                external_id="42",
                handle="ada",
                display_name="Ada",
                credentials=Credentials(SecretStr("t"), None, None),
            )
            account = connect_account(
                session,
                store.cipher,
                self.workspace_id,
                verified,
                Platform.MASTODON,
                NOW,
            )
            self.account, self.account_id = account, account.id

    def fail(self, status: str = "failed", text: str = "Spring sale") -> str:
        with self.store.write() as session:
            post = create_post(
                session,
                self.workspace_id,
                PostDraft(
                    content=text,
                    targets=[PostTarget(self.account, PostContent(text=text))],
                    scheduled_at=self.clock(),
                ),
                self.clock(),
            )
            session.flush()
            session.execute(
                update(Publication)
                .where(Publication.post_id == post.id)
                .values(status=status, reason="the text was refused", updated_at=self.clock())
            )
            (publication,) = session.query(Publication.id).filter_by(post_id=post.id).one()
            append_event(session, publication, status, now=self.clock())
            return str(publication)

    def round(
        self, *urls: str, about: str = "failed needs_review reconnect behind", flows: bool = False
    ) -> dict[str, int]:
        settings = settings_of(*urls, about=about)
        return run_round(
            self.store, settings, open_senders(settings.addresses), clock=self.clock, with_flows=flows
        )

    def asks(self, *urls: str, flows: bool = False) -> bool:
        with self.store.read() as session:
            return has_work(
                session,
                settings_of(*urls, about="failed needs_review reconnect behind"),
                self.clock(),
                with_flows=flows,
            )


def settings_of(*urls: str, about: str) -> NotifySettings:
    return NotifySettings(urls=SecretStr(" ".join(urls)), about=about)  # type: ignore[arg-type]


def address_of(receiver: Receiver) -> str:
    return receiver.url.replace("http://", f"json://user:{WORD}@")


def told(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(one.body) for one in receiver.requests]


@pytest.fixture
def home(store: Store) -> Home:
    return Home(store)


@pytest.fixture(params=["sqlite", "postgresql"])
def any_home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    name = "store" if request.param == "sqlite" else "postgres_url"
    given = request.getfixturevalue(name)
    if request.param == "sqlite":
        yield Home(given)
        return
    settings = WarehouseSettings(home=tmp_path / "pg", database_url=given)
    with Store.open(settings) as opened:
        yield Home(opened)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as opened:
        yield opened


def test_each_thing_is_told_once_and_the_past_is_left_alone(any_home: Home, receiver: Receiver) -> None:
    home = any_home
    url = address_of(receiver)
    home.fail(text="before notifications were set up")
    assert home.round(url) == {"queued": 0, "sent": 0, "failed": 0}
    assert not home.asks(url)
    home.fail()
    home.fail("needs_review", "Autumn")
    with home.store.write() as session:
        mark_revoked(session, home.account_id, "the token was withdrawn", home.clock())
    assert home.asks(url)
    assert home.round(url) == {"queued": 3, "sent": 3, "failed": 0}
    titles = [one["title"] for one in told(receiver)]
    assert titles == [
        "SocialFlow: A post was not published",
        "SocialFlow: A post needs your decision",
        "SocialFlow: An account must be connected again",
    ]
    text = told(receiver)[0]["message"]
    assert "Spring sale" in text
    assert "Mastodon @ada: the text was refused" in text
    assert "before notifications" not in json.dumps(told(receiver))
    home.clock.advance(minutes=1)
    assert not home.asks(url)
    assert home.round(url)["sent"] == 0


def test_many_failures_are_one_message_and_a_retried_post_is_none(home: Home, receiver: Receiver) -> None:
    url = address_of(receiver)
    home.round(url)
    for number in range(12):
        home.fail(text=f"post {number}")
    retried = home.fail(text="sent again since")
    with home.store.write() as session:
        session.execute(update(Publication).where(Publication.id == retried).values(status="scheduled"))
    home.round(url)
    (message,) = told(receiver)
    assert message["title"] == "SocialFlow: 12 posts were not published"
    assert "and 2 more" in message["message"]
    assert "sent again since" not in message["message"]


def test_failures_over_hours_are_one_message_each_quarter(home: Home, receiver: Receiver) -> None:
    url = address_of(receiver)
    home.round(url)
    for minute in range(31):
        home.fail(text=f"post {minute}")
        if minute == 20:
            home.fail("needs_review", "another kind does not wait")
        assert home.asks(url) is (minute in {0, 15, 20, 30})
        home.round(url)
        home.clock.advance(minutes=1)
    assert [one["title"] for one in told(receiver)] == [
        "SocialFlow: A post was not published",
        "SocialFlow: 15 posts were not published",
        "SocialFlow: A post needs your decision",
        "SocialFlow: 15 posts were not published",
    ]


def test_retries_are_bounded_and_other_addresses_do_not_wait(home: Home, receiver: Receiver) -> None:
    with Receiver(rest=Reply(status=500)) as broken:
        urls = (address_of(receiver), address_of(broken))
        home.round(*urls)
        home.fail()
        assert home.round(*urls) == {"queued": 1, "sent": 1, "failed": 1}
        for pause in RETRY_AFTER:
            home.clock.advance(seconds=pause.total_seconds() - 1)
            assert not home.asks(*urls)
            home.clock.advance(seconds=1)
            assert home.asks(*urls)
            assert home.round(*urls)["failed"] == 1
        home.clock.advance(days=1)
        assert not home.asks(*urls)
        assert len(broken.requests) == len(RETRY_AFTER) + 1
    assert len(receiver.requests) == 1
    with home.store.read() as session:
        outbox = read_outbox(session)
    assert outbox.waiting == []
    (given_up,) = outbox.given_up
    assert "500" in given_up.error
    assert WORD not in given_up.error
    with home.store.read() as session:
        (finding,) = check_notifications(session, settings_of(*urls, about="failed"), home.clock())
    assert finding[0] == "warning"
    assert "was not published" in finding[1]


def test_an_attempt_that_died_is_made_again_later_and_not_at_once(home: Home, receiver: Receiver) -> None:
    url = address_of(receiver)
    home.round(url)
    home.fail()
    senders = open_senders([url])

    def die(*_words: str) -> str:
        raise KeyboardInterrupt

    senders[0].send = die  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        run_round(home.store, settings_of(url, about="failed"), senders, clock=home.clock, with_flows=False)
    assert home.round(url)["sent"] == 0
    home.clock.advance(minutes=1)
    assert home.round(url) == {"queued": 0, "sent": 1, "failed": 0}


def test_a_second_process_leaves_the_round_to_the_first(home: Home, receiver: Receiver) -> None:
    with run_exclusively(home.store, LEASE), pytest.raises(FlowBusyError):
        home.round(address_of(receiver))


def test_a_flow_that_is_behind_is_told_after_half_an_hour_of_watching(home: Home, receiver: Receiver) -> None:
    url = address_of(receiver)
    home.round(url)
    with home.store.write() as session:
        expect_flows(session, {"ingest-metrics": timedelta(minutes=5)})
        session.execute(
            update(FlowState)
            .where(FlowState.name == "ingest-metrics")
            .values(expected_since=NOW - timedelta(hours=9))
        )
    assert home.round(url, flows=False)["queued"] == 0
    assert home.asks(url, flows=True)
    assert home.round(url, flows=True)["queued"] == 1
    assert "Reading numbers (ingest-metrics): no success since" in told(receiver)[0]["message"]
    watch = Watch()
    looks = [watch.look(NOW + LOOK_EVERY * minute) for minute in range(32)]
    assert looks.index(True) == 30
    assert not watch.look(NOW + timedelta(hours=9)), "the laptop has slept"


def test_the_week_is_summed_up_once(home: Home, receiver: Receiver) -> None:
    url = address_of(receiver)
    home.round(url, about="failed")
    home.fail()
    assert home.round(url, about="weekly")["queued"] == 0, "only a failure of this week: nothing to sum up"
    home.clock.advance(days=5)
    home.clock.now = datetime(2026, 3, 9, 7, 59, tzinfo=UTC)
    assert home.round(url, about="weekly")["queued"] == 0
    home.clock.advance(minutes=1)
    for _ in range(2):
        home.round(url, about="weekly")
    (message,) = told(receiver)
    assert "Week of 2026-03-02 to 2026-03-08 (UTC)" in message["message"]
    assert "- not published: 1" in message["message"]


def test_the_queue_is_bounded() -> None:
    outbox = Outbox()
    for number in range(MOST_WAITING + 5):
        outbox.add(Message(str(number), "failed", f"title {number}", "", NOW, [Target("a", NOW)]))
    assert len(outbox.waiting) == MOST_WAITING
    assert [one.title for one in outbox.given_up] == [f"title {number}" for number in range(5)]


async def test_a_process_sends_and_a_hanging_receiver_does_not_hold_the_publisher(
    home: Home,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    store: Store,
    warehouse_settings: WarehouseSettings,
) -> None:
    url = address_of(receiver)
    settings = settings_of(url, about="failed needs_review")
    home.round(url)
    monkeypatch.setenv("SOCIALFLOW_NOTIFY_URLS", url)
    monkeypatch.setenv("SOCIALFLOW_NOTIFY_ABOUT", "failed needs_review")
    monkeypatch.setenv("SOCIALFLOW_HOME", str(warehouse_settings.home))
    home.clock.now = datetime.now(UTC)
    home.fail()
    assert await look_once(store, settings, home.clock(), with_flows=False) == 0
    assert len(receiver.requests) == 1
    assert await look_once(store, settings, home.clock(), with_flows=False) is None
    with Receiver(rest=Reply(hold=True)) as hanging:
        monkeypatch.setenv("SOCIALFLOW_NOTIFY_URLS", address_of(hanging))
        monkeypatch.setattr(starter, "LONGEST_ROUND", timedelta(seconds=2))
        home.fail("needs_review")  # of another kind: one kind is told once in 15 minutes
        with pytest.raises(RuntimeError, match="was stopped"):
            await look_once(store, settings, home.clock(), with_flows=False)
        assert len(hanging.requests) <= 1  # on a busy machine its time can be over before it asks


def test_the_command_says_what_failed_and_shows_no_address(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Receiver(rest=Reply(status=403)) as refusing:
        monkeypatch.setenv("SOCIALFLOW_NOTIFY_URLS", f"{address_of(receiver)} {address_of(refusing)}")
        result = CliRunner().invoke(app, ["notify", "test", "--json"])
    assert result.exit_code == 1
    first, second = json.loads(result.stdout)
    assert first == {"address": "1 (JSON)", "sent": True, "error": None}
    assert second["sent"] is False
    assert "403" in second["error"]
    assert told(receiver)[0]["title"] == "SocialFlow: test message"
    assert WORD not in result.output + caplog.text + repr(NotifySettings())
    monkeypatch.setenv("SOCIALFLOW_NOTIFY_URLS", f"nosuch://{WORD}")
    with pytest.raises(SetupError, match="address 1") as caught:
        open_senders(NotifySettings().addresses)
    assert WORD not in str(caught.value) + caplog.text
    assert CliRunner().invoke(app, ["notify", "test"]).exit_code == 1
    monkeypatch.setenv("SOCIALFLOW_NOTIFY_ABOUT", "failed everything")
    assert "SOCIALFLOW_NOTIFY_ABOUT" in CliRunner().invoke(app, ["notify", "test"]).output


async def test_a_wrong_setting_is_logged_and_publishing_goes_on(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SOCIALFLOW_NOTIFY_ABOUT", "everything")
    async with starter.keep_notifying(store, clock=Clock(NOW)):
        pass
    assert "SOCIALFLOW_NOTIFY_ABOUT" in caplog.text
