"""Webhook delivery: real receivers, verification by the official library, a killed process, unsafe URLs."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select
from standardwebhooks import Webhook, WebhookVerificationError

from connectors.errors import GiveUpError
from connectors.webhooks.sender import LONGEST_ANSWER, WebhookSender, check_webhook_url
from connectors.webhooks.settings import WebhookSettings
from flows.publishing.webhook_deliverer import WebhookDeliverer, deliver_beside
from tests.flows.publishing.webhook_receiver import Receiver, Reply
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.webhooks.endpoints import create_endpoint, get_endpoint, rotate_secret
from warehouse.store.webhooks.models import WebhookDelivery, WebhookEndpoint
from warehouse.store.webhooks.outbox import Happening, write_events

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.store.database import Store

OPEN = WebhookSettings(allow_private=True, timeout=timedelta(seconds=5))
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def utc_now() -> datetime:
    return datetime.now(UTC)


class Office:
    """A store with webhooks in it, and a clock that a test may put ahead."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.ahead = timedelta(0)
        with store.write() as session:
            self.workspace_id = ensure_default_workspace(session, utc_now()).id

    def clock(self) -> datetime:
        return utc_now() + self.ahead

    def listen(self, url: str) -> tuple[str, str]:
        with self.store.write() as session:
            made = create_endpoint(
                session,
                self.store.cipher,
                self.workspace_id,
                url=url,
                events=["post.failed"],
                now=self.clock(),
            )
        return made.row.id, made.secret

    def happen(self, count: int = 1) -> None:
        happenings = [Happening(self.workspace_id, "post.failed", {"n": number}) for number in range(count)]
        with self.store.write() as session:
            write_events(session, happenings, self.clock())

    async def deliver(self, settings: WebhookSettings = OPEN) -> dict[str, Any]:
        return (await WebhookDeliverer(self.store, settings, clock=self.clock).deliver_due()).as_dict()

    def rows(self) -> list[WebhookDelivery]:
        with self.store.read() as session:
            return list(session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.id)))

    def endpoint(self, endpoint_id: str) -> WebhookEndpoint:
        with self.store.read() as session:
            return session.get_one(WebhookEndpoint, endpoint_id)


@pytest.fixture
def office(store: Store) -> Office:
    return Office(store)


async def test_the_official_library_accepts_what_is_sent_and_nothing_else(office: Office) -> None:
    with Receiver() as receiver:
        _, secret = office.listen(receiver.url)
        office.happen()
        assert await office.deliver() == {"attempts": {"delivered": 1}, "errors": 0}
    [request] = receiver.requests
    message = request.verify(secret)
    assert (message["type"], message["data"]) == ("post.failed", {"n": 0})
    assert request.headers["content-type"] == "application/json"
    for forged in (SECRET, "whsec_" + "A" * 44):
        with pytest.raises(WebhookVerificationError):
            request.verify(forged)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(request.body.replace("0", "1"), dict(request.headers))


async def test_during_a_rotation_either_secret_verifies(office: Office) -> None:
    with Receiver() as receiver:
        endpoint_id, old = office.listen(receiver.url)
        with office.store.write() as session:
            row = get_endpoint(session, office.workspace_id, endpoint_id)
            new = rotate_secret(session, office.store.cipher, row, office.clock()).secret
        office.happen()
        await office.deliver()
    assert receiver.requests[0].verify(old) == receiver.requests[0].verify(new)


async def test_after_failures_the_same_id_arrives_with_a_fresh_signature(office: Office) -> None:
    with Receiver(Reply(500, b"down\x00 for now"), Reply(503)) as receiver:
        endpoint_id, secret = office.listen(receiver.url)
        office.happen()
        for wait in (timedelta(0), timedelta(seconds=6), timedelta(minutes=6)):
            office.ahead += wait
            await office.deliver()
        assert office.endpoint(endpoint_id).failing_since is None
    assert len({request.id for request in receiver.requests}) == 1
    assert len({request.body for request in receiver.requests}) == 1
    assert len({request.headers["webhook-signature"] for request in receiver.requests}) == 3
    receiver.requests[0].verify(secret)
    [row] = office.rows()
    assert (row.status, row.attempts) == ("delivered", 3)
    assert [entry["status"] for entry in row.history] == [500, 503, 204]


async def test_a_slow_receiver_holds_back_no_other(office: Office) -> None:
    with Receiver(rest=Reply(hold=True)) as slow, Receiver() as quick:
        office.listen(slow.url)
        office.happen(40)
        office.listen(quick.url)
        office.happen(10)
        deliverer = WebhookDeliverer(office.store, OPEN, clock=office.clock)
        running = asyncio.create_task(deliverer.run())
        await asyncio.wait_for(asyncio.to_thread(lambda: [quick.arrived.acquire() for _ in range(10)]), 20)
        assert len(slow.requests) <= 4
        running.cancel()
        await asyncio.wait([running])


POISONED_ENDPOINTS: dict[str, dict[str, Any]] = {
    "a secret that cannot be decrypted": {"secret": b"not what was encrypted"},
    "an address that is none": {"url": "http://["},
    "an address of no scheme": {"url": "receiver"},
    "a host that nobody has": {"url": "http://nobody.invalid/hook"},
    "a port that nobody listens on": {"url": "http://127.0.0.1:1/hook"},
    "characters that no request can carry": {"url": "http://127.0.0.1/\r\nhook: 1"},
}


@pytest.mark.parametrize("poison", POISONED_ENDPOINTS)
async def test_one_poisoned_endpoint_holds_back_none_of_ten(office: Office, poison: str) -> None:
    with Receiver() as receiver:
        sick, _ = office.listen(receiver.url)
        for number in range(10):
            office.listen(f"{receiver.url}?n={number}")
        with office.store.write() as session:
            row = session.get_one(WebhookEndpoint, sick)
            for name, value in POISONED_ENDPOINTS[poison].items():
                setattr(row, name, value)
        office.happen(2)
        report = await office.deliver()
    assert report["attempts"]["delivered"] == len(receiver.requests) == 20
    endpoint = office.endpoint(sick)
    assert endpoint.failing_since is not None
    waiting = [row for row in office.rows() if row.endpoint_id == sick]
    assert {row.status for row in waiting} == {"pending"}
    tried = [row for row in waiting if row.attempts]
    assert tried
    assert all(row.history[-1]["error"] for row in tried)
    assert all(row.next_attempt_at is not None for row in waiting)


async def test_what_happens_while_it_runs_is_told_by_the_same_run(office: Office) -> None:
    with Receiver() as receiver:
        office.listen(receiver.url)
        async with deliver_beside(office.store, OPEN) as deliverer:
            await asyncio.sleep(0.2)
            office.happen()
            await asyncio.to_thread(receiver.arrived.acquire, timeout=20)
        assert deliverer.report.attempts == {"delivered": 1}
    [row] = office.rows()
    assert row.delivered_at is not None


async def test_a_block_that_fails_ends_the_deliverer(office: Office) -> None:
    with pytest.raises(LookupError):
        async with deliver_beside(office.store, OPEN):
            raise LookupError


KILLED = """
import asyncio
from connectors.webhooks.settings import WebhookSettings
from flows.publishing.webhook_deliverer import WebhookDeliverer
from warehouse.settings import WarehouseSettings
from warehouse.store.database import Store

with Store.open(WarehouseSettings()) as store:
    settings = WebhookSettings(allow_private=True)
    asyncio.run(WebhookDeliverer(store, settings).run())
"""


async def test_a_deliverer_killed_while_sending_loses_nothing(office: Office) -> None:
    """kill -9 between the receiver's getting it and our knowing: it comes again, under the same id."""
    with Receiver(Reply(hold=True)) as receiver:
        _, secret = office.listen(receiver.url)
        office.happen()
        process = await asyncio.to_thread(subprocess.Popen, [sys.executable, "-c", KILLED])
        try:
            assert await asyncio.to_thread(receiver.arrived.acquire, timeout=60)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(30)
        assert await office.deliver() == {"attempts": {}, "errors": 0}, "its lease still runs"
        office.ahead = timedelta(seconds=61)
        assert await office.deliver() == {"attempts": {"delivered": 1}, "errors": 0}
    first, second = receiver.requests
    assert (first.id, first.body) == (second.id, second.body)
    first.verify(secret)


async def test_a_redirect_is_a_failure_and_not_followed(office: Office) -> None:
    with Receiver() as elsewhere, Receiver(Reply(307, headers={"location": elsewhere.url})) as receiver:
        office.listen(receiver.url)
        office.happen()
        await office.deliver()
        assert elsewhere.requests == []
    [row] = office.rows()
    assert (row.status, row.history[0]["error"]) == ("pending", "redirects are not followed")


async def test_a_receiver_that_does_not_answer_is_left_after_the_time_limit(office: Office) -> None:
    with Receiver(rest=Reply(hold=True)) as receiver:
        office.listen(receiver.url)
        office.happen()
        await office.deliver(WebhookSettings(allow_private=True, timeout=timedelta(seconds=0.3)))
    assert office.rows()[0].history[0]["error"] == "no complete answer within 0 s"


async def test_of_an_answer_without_end_only_the_beginning_is_kept(office: Office) -> None:
    with Receiver(Reply(200, b"x\x00" * 500_000)) as receiver:
        office.listen(receiver.url)
        office.happen()
        await office.deliver()
    [row] = office.rows()
    assert row.status == "delivered"
    assert row.response is not None
    assert len(row.response) <= LONGEST_ANSWER
    assert "\x00" not in row.response


def resolve_to(address: str) -> Callable[..., Any]:
    async def getaddrinfo(_host: str, port: int, **_more: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    return getaddrinfo


async def test_a_name_that_leads_inside_is_refused_when_made_and_at_every_delivery(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DNS rebinding: public when the webhook was made, private when it is called."""
    strict = WebhookSettings()
    loop = asyncio.get_running_loop()
    with Receiver() as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        url = f"https://hooks.example:{port}/x"
        monkeypatch.setattr(loop, "getaddrinfo", resolve_to("127.0.0.1"))
        with pytest.raises(GiveUpError, match="private network"):
            await check_webhook_url(url, strict)
        monkeypatch.setattr(loop, "getaddrinfo", resolve_to("93.184.216.34"))
        assert await check_webhook_url(url, strict) == url
        monkeypatch.setattr(loop, "getaddrinfo", resolve_to("127.0.0.1"))
        async with WebhookSender(strict, clock=utc_now) as sender:
            answer = await sender.send(url, event_id="msg_1", body="{}", secrets=[SECRET])
        assert receiver.requests == []
    assert answer.status is None
    assert "not on the public internet" in str(answer.error)
    assert "SOCIALFLOW_WEBHOOK_ALLOW_PRIVATE" in str(answer.error)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/x",
        "https://user:word@hooks.example/x",
        "ftp://hooks.example/x",
        "hooks.example",
        "https://hooks example/x",
        "https://[/x",
    ],
)
async def test_an_address_that_is_no_public_https_address_is_refused(url: str) -> None:
    with pytest.raises(GiveUpError, match="url"):
        await check_webhook_url(url, WebhookSettings())


async def test_path_and_query_of_an_address_are_kept_and_a_name_without_address_is_not_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(*_given: Any, **_more: Any) -> list[Any]:
        raise socket.gaierror("no such name")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fail)
    given = "https://hooks.example/a/b?key=1#part"
    assert await check_webhook_url(given, WebhookSettings()) == "https://hooks.example/a/b?key=1"
