"""Known tokens are planted, everything that may fail is run, and all written bytes are searched for them.

The platforms here are nosy: whatever they refuse, they quote the caller's token back. Between them and us stands a
translator, so that the tokens are opaque words that no pattern knows, as most platforms' are.
"""

from __future__ import annotations

import base64
import importlib
import io
import json
import logging
import re
import sqlite3
import threading
import time
import traceback
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, unquote_plus

import httpx
import pytest
import stamina
import uvicorn
from pydantic import SecretStr
from sqlalchemy import select

from connectors.errors import ConnectorError
from connectors.oauth.authorization import AuthorizationRefusedError
from connectors.oauth.flows import FLOWS
from connectors.registry import CONNECTORS, ConnectorPool
from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.faults import FaultKind, FaultRule
from connectors.sandbox.tokens import revoke_tokens
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.types import Media, Platform, PostContent
from connectors.webhooks.settings import WebhookSettings
from flows.account_runs import utc_now
from flows.deployments import SCHEDULED_FLOWS
from flows.ingestion.followers import read_due_followers
from flows.ingestion.history import read_histories
from flows.ingestion.metrics import read_due_metrics
from flows.publishing.publisher import run_publisher
from flows.publishing.settings import PublisherSettings
from flows.publishing.webhook_deliverer import WebhookDeliverer
from flows.resources import Resources
from flows.settings import FlowSettings
from flows.token_refresh import refresh_account
from tests.connectors.harness import account_of
from warehouse.store.access.api_keys import create_api_key
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.accounts.credentials import open_account
from warehouse.store.models import AccountRow, Publication
from warehouse.store.posts.posts import PostDraft, Target, create_post
from warehouse.store.webhooks.endpoints import create_endpoint
from warehouse.store.webhooks.models import WebhookEvent
from warehouse.store.webhooks.outbox import EVENT_TYPES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from connectors.types import Account
    from flows.deployments import ScheduledFlow
    from warehouse.settings import WarehouseSettings

FAULTS: tuple[FaultKind, ...] = (
    "error_500_before",
    "error_500_after",
    "reset_after",
    "hang_before",
    "malformed",
    "html_error",
    "forbidden",
    "unauthorized",
    "rate_limited",
)
REFUSALS: tuple[FaultKind, ...] = ("forbidden", "unauthorized", "error_500_before", "html_error", "malformed")
QUICK = PublisherSettings(
    poll=timedelta(milliseconds=50), settle=timedelta(milliseconds=100), look_ahead=timedelta(seconds=2)
)
_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
_WORDS = {"message", "detail", "title", "error_description", "description"}
# The store's own key, in the one file that is for it, and the credentials it encrypts.
KEY_FILE, KEY_COLUMN = "secret.key", "credentials"


@cache
def forms_of(secret: str) -> tuple[str, str, str, str]:
    """Return a secret as it is, as part of an address, as a form's value, and as an address's path."""
    return secret, quote(secret, safe=""), quote_plus(secret), quote(secret)


@dataclass
class Vault:
    """Every secret there is, and which simulated token stands behind which opaque one."""

    secrets: set[str] = field(default_factory=set)
    behind: dict[str, str] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: count(1))

    def plant(self, token: str, *, bot: bool = False) -> str:
        """Return what we are given in the place of this token; a Telegram bot's has a form of its own."""
        opaque = next((shown for shown, real in self.behind.items() if real == token), None)
        if opaque is None:
            number = next(self._numbers)
            opaque = f"{number:07}:AAplanted{'k3ySpq7' * 4}" if bot else f"planted/{number}+{'k3ySpq7' * 3}=="
            self.behind[opaque] = token
            self.secrets.add(opaque)
        return opaque

    def reveal(self, text: str) -> str:
        if "planted" not in text:
            return text
        for opaque, real in self.behind.items():
            for form in forms_of(opaque):
                text = text.replace(form, real)
        return text


class NosyTransport(httpx.AsyncBaseTransport):
    """Translates tokens on the way out and back, and quotes them in whatever is refused."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = (await request.aread()).decode("latin-1")
        headers = {
            name: self._vault.reveal(value)
            for name, value in request.headers.items()
            if name not in {"content-length", "transfer-encoding"}
        }
        url = httpx.URL(self._vault.reveal(str(request.url)))
        sent = httpx.Request(
            request.method, url, headers=headers, content=self._vault.reveal(body).encode("latin-1"),
            extensions=request.extensions,
        )  # fmt: skip
        response = await self._inner.handle_async_request(sent)
        content = await response.aread()
        await response.aclose()
        text = content.decode("latin-1")
        if request.url.path.startswith("/xrpc/"):  # Bluesky's tokens really are JWTs, and read as such
            self._vault.secrets.update(_JWT.findall(text))
        else:
            content = _JWT.sub(lambda match: self._vault.plant(match[0]), text).encode("latin-1")
        kept = {
            name: value for name, value in response.headers.items() if name not in {"content-length", "date"}
        }
        if response.status_code >= 400:
            content = self._quote(content, request, body)
        return httpx.Response(response.status_code, headers=kept, content=content)

    def _quote(self, content: bytes, request: httpx.Request, body: str) -> bytes:
        said = f"{unquote_plus(body)} {request.url} {dict(request.headers)}"
        tokens = [secret for secret in self._vault.secrets if secret in said or forms_of(secret)[1] in said]
        loud = " ".join(f"{token} {forms_of(token)[1]}" for token in tokens)
        try:
            answer = json.loads(content)
        except ValueError:
            return content.replace(b"</body>", f"{loud}</body>".encode())
        return json.dumps(_shout(answer, loud)).encode()

    async def aclose(self) -> None:
        await self._inner.aclose()


def _shout(node: Any, loud: str) -> Any:
    if isinstance(node, dict):
        return {
            name: f"{loud} {value}" if name in _WORDS and isinstance(value, str) else _shout(value, loud)
            for name, value in node.items()
        }
    return [_shout(item, loud) for item in node] if isinstance(node, list) else node


@pytest.fixture
def loud_logs(warehouse_settings: WarehouseSettings) -> Iterator[None]:
    """Log everything, from everyone, at DEBUG, into a file of the home."""
    warehouse_settings.home.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(warehouse_settings.home / "everything.log")
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
    root = logging.getLogger()
    before = {name: logging.getLogger(name).level for name in ("", "sqlalchemy", "httpx", "httpcore")}
    root.addHandler(handler)
    for name in before:
        # SQLAlchemy's INFO holds each statement and its values; DEBUG adds every row, for nothing new.
        logging.getLogger(name).setLevel(logging.INFO if name == "sqlalchemy" else logging.DEBUG)
    yield
    root.removeHandler(handler)
    handler.close()
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def world() -> SandboxWorld:
    return SandboxWorld(history_days=2)


@pytest.fixture
def address(world: SandboxWorld) -> Iterator[str]:
    # Its own logs are the platforms', not ours: they are kept quiet.
    config = uvicorn.Config(
        create_sandbox_app(world), port=0, log_config=None, access_log=False, log_level=60
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=10)


@dataclass
class House:
    """The product in a temporary home, and the simulated platforms outside."""

    world: SandboxWorld
    address: str
    resources: Resources
    pool: ConnectorPool
    vault: Vault
    accounts: dict[Platform, str]
    shown: io.StringIO
    """What was returned, raised or represented."""

    def show(self, *things: object) -> None:
        for thing in things:
            self.shown.write(f"{thing!r}\n{thing}\n")
            if isinstance(thing, BaseException):
                self.shown.write(f"{''.join(traceback.format_exception(thing))}\n{vars(thing)}\n")

    def content(self, platform: Platform, text: str) -> PostContent:
        capabilities = CONNECTORS[platform].capabilities
        if not capabilities.media_required:
            return PostContent(text=text)
        name, kind = ("photo.png", "image") if "image" in capabilities.media_kinds else ("video.mp4", "video")
        media = Media.model_validate({"url": f"{self.address}/_sandbox/media/{name}", "kind": kind})
        return PostContent(text=text, media=(media,))

    def schedule(self, text: str) -> None:
        """One post on each platform, due now."""
        now = utc_now()
        with self.resources.store.write() as session:
            workspace = ensure_default_workspace(session, now)
            for platform, account_id in self.accounts.items():
                content = self.content(platform, text)
                target = Target(account=session.get_one(AccountRow, account_id), content=content)
                draft = PostDraft(content=text, targets=[target], scheduled_at=now, allow_duplicate=True)
                create_post(session, workspace.id, draft, now)

    async def publish(self) -> None:
        report = await run_publisher(
            self.resources.store,
            self.pool,
            horizon=timedelta(seconds=0.4),
            max_lateness=timedelta(hours=1),
            settings=QUICK,
        )
        self.show(report, report.as_dict())

    def fates(self) -> list[str]:
        """What became of each publication, for the case that one of them went wrong."""
        with self.resources.store.read() as session:
            rows = session.scalars(select(Publication))
            return [f"{row.platform} {row.status} {row.reason}" for row in rows]

    def open(self, platform: Platform) -> Account:
        with self.resources.store.read() as session:
            row = session.get_one(AccountRow, self.accounts[platform])
            return open_account(row, self.resources.store.cipher)

    async def connect(self, account: Account) -> None:
        verified = await self.pool.open(account).verify()
        self.show(verified)
        now, cipher = utc_now(), self.resources.store.cipher
        with self.resources.store.write() as session:
            workspace = ensure_default_workspace(session, now)
            row = connect_account(session, cipher, workspace.id, verified, account.platform, now)
            self.accounts[account.platform] = row.id


@pytest.fixture
async def house(
    world: SandboxWorld, address: str, warehouse_settings: WarehouseSettings
) -> AsyncIterator[House]:
    vault, names = Vault(), ConnectorSettings.model_fields
    planted = {
        name: f"planted-{name}-8sd7f6s5df"
        for name in names
        if name.endswith(("_client_id", "_client_key", "_client_secret", "_app_secret"))
    }
    vault.secrets.update(value for name, value in planted.items() if name.endswith("secret"))
    settings = ConnectorSettings.model_validate(
        {
            **planted,
            **{name: address for name in names if name.endswith("_base_url")},
            "allow_private_instances": True,
            "poll_interval": 0.01,
            "request_timeout": 8.0,  # on a busy machine, all platforms answer within it
            "read_attempts": 1,
        }
    )
    stamina.set_active(False)
    async with ConnectorPool(settings, transport=NosyTransport(vault)) as pool:
        with Resources(warehouse_settings, FlowSettings()) as resources:
            made = House(world, address, resources, pool, vault, {}, io.StringIO())
            made.show(settings, pool, resources, resources.store, resources.store.cipher)
            for item in world.accounts:
                if item.platform in CONNECTORS and item.platform not in made.accounts:
                    await made.connect(_plant(account_of(item), vault, address))
            yield made
    stamina.set_active(True)


def _plant(account: Account, vault: Vault, address: str) -> Account:
    """Return the account with opaque tokens, known to the vault."""
    account = replace(account, instance_url=address if account.instance_url else None)
    tokens = account.credentials
    if account.platform is Platform.BLUESKY:
        own = (tokens.access_token, tokens.refresh_token, tokens.app_password)
        vault.secrets.update(item.get_secret_value() for item in own if item is not None)
        return account
    is_bot = account.platform is Platform.TELEGRAM
    opaque = replace(
        tokens,
        access_token=SecretStr(vault.plant(tokens.access_token.get_secret_value(), bot=is_bot)),
        refresh_token=tokens.refresh_token
        and SecretStr(vault.plant(tokens.refresh_token.get_secret_value())),
    )
    return replace(account, credentials=opaque)


@pytest.mark.usefixtures("loud_logs")
async def test_no_secret_is_ever_written(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    store = house.resources.store
    with store.write() as session:
        now = utc_now()
        key = create_api_key(
            session, store.cipher, ensure_default_workspace(session, now).id, "a", ["read"], now
        )
        house.vault.secrets.update((key.api_key, key.api_secret))
        house.show(key.row)
    house.vault.secrets.add((house.resources.warehouse.home / KEY_FILE).read_text().strip())

    listen(house)
    house.schedule("hello")
    await house.publish()
    assert {post.platform for post in house.world.published(via="api")} == set(house.accounts), house.fates()
    await ingest(house)
    for kind in FAULTS:
        for platform in house.accounts:
            rule = FaultRule(kind=kind, platform=platform, operation="publish", retry_after=0.2, seconds=9)
            house.world.faults.add(rule)
        house.schedule(f"now with {kind}")
        await house.publish()
        house.world.faults.clear()
    house.schedule("x" * 3_500)
    await house.publish()
    await fail_loudly(house)
    await renew(house)
    await ingest(house)
    for owner in house.world.accounts:
        revoke_tokens(owner)
    house.schedule("after the end")
    await house.publish()
    await ingest(house)
    await tell(house)
    await be_refused_by_browser(house)

    captured = capfd.readouterr()
    written = {
        "returned, raised, represented": house.shown.getvalue(),
        "stdout": captured.out,
        "stderr": captured.err,
    }
    written |= read_everything(house.resources)
    assert sum(map(len, written.values())) > 100_000
    assert "[redacted]" in "".join(written.values()), (
        "nothing was at stake: no secret ever came near an output"
    )
    assert len(house.vault.secrets) > 2 * len(house.accounts)
    assert find_leaks(written, house.vault.secrets) == []


def listen(house: House) -> None:
    """A webhook for everything, so that what is told of each event is among the rows that are searched."""
    store, now = house.resources.store, utc_now()
    with store.write() as session:
        made = create_endpoint(
            session,
            store.cipher,
            ensure_default_workspace(session, now).id,
            url="http://127.0.0.1:9/nobody",
            events=EVENT_TYPES,
            now=now,
        )
    house.vault.secrets.add(made.secret.removeprefix("whsec_"))
    house.show(made.row)


async def tell(house: House) -> None:
    """Try to deliver, to nobody."""
    with house.resources.store.read() as session:
        assert session.query(WebhookEvent).count() > len(house.accounts)
    report = await WebhookDeliverer(house.resources.store, WebhookSettings(allow_private=True)).deliver_due()
    house.show(report, report.as_dict())
    assert report.attempts["pending"] > 0


async def be_refused_by_browser(house: House) -> None:
    """Come back from every platform's consent page with a code that it never gave."""
    for platform, flow in FLOWS.items():
        server = house.address if not flow.client_id else None
        _, pending = await house.pool.begin_authorization(
            platform, redirect_uri=f"{house.address}/back", state="s", instance_url=server
        )
        code = SecretStr(f"planted-code-of-{platform}-k3ySpq7")
        house.vault.secrets |= {code.get_secret_value(), pending.verifier.get_secret_value()}
        house.show(pending, flow)
        try:
            house.show(await house.pool.exchange_code(pending, code))
        except AuthorizationRefusedError as error:
            house.show(error)


async def fail_loudly(house: House) -> None:
    """Every call of every connector, refused: what is raised is shown as a log would show it."""
    for platform in house.accounts:
        account = house.open(platform)
        connector = house.pool.open(account)
        house.show(account, account.credentials, connector, vars(connector))
        for kind in REFUSALS:
            house.world.faults.add(FaultRule(kind=kind, platform=platform, count=None))
            calls = (
                connector.verify(),
                connector.fetch_followers(),
                connector.fetch_metrics(["1", "2"]),
                connector.list_publications(since=utc_now()),
                connector.refresh_token(),
            )
            for call in calls:
                try:
                    house.show(await call)
                except ConnectorError as error:
                    house.show(error, *error.args)
            house.world.faults.clear()


async def renew(house: House) -> None:
    """Refresh every token: refused at first, then granted; then connect what was lost on the way."""
    for platform, account_id in house.accounts.items():
        house.world.faults.add(FaultRule(kind="html_error", platform=platform, operation="refresh"))
        for _ in range(2):
            try:
                house.show(
                    await refresh_account(house.resources.store, house.pool, account_id, clock=utc_now)
                )
            except ConnectorError as error:
                house.show(error)
        owner = next(item for item in house.world.accounts if item.platform is platform)
        await house.connect(_plant(account_of(owner), house.vault, house.address))


async def ingest(house: House) -> None:
    later = timedelta(days=2)
    for reader in (read_due_metrics, read_due_followers):
        report = await reader(house.resources, house.pool, run_id="leaks", ahead=later)
        house.show(report, report.as_dict())
    report = await read_histories(house.resources, house.pool, run_id="leaks", anew=True)
    house.show(report, report.as_dict())


def read_everything(resources: Resources) -> dict[str, str]:
    """Return every file of the home as it is, and every row of both stores in plain: Parquet is compressed."""
    home = resources.warehouse.home
    files = [path for path in home.rglob("*") if path.is_file() and path.name != KEY_FILE]
    written = {str(path.relative_to(home)): path.read_bytes().decode("latin-1") for path in files}
    with closing(sqlite3.connect(home / "socialflow.sqlite")) as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            plain = ", ".join(f'"{name}"' for name in columns if name != KEY_COLUMN)
            written[f"table {table}"] = repr(database.execute(f"SELECT {plain} FROM {table}").fetchall())  # noqa: S608 - our names
    tables = resources.lake.query("SELECT table_schema AS s, table_name AS t FROM information_schema.tables")
    for row in tables:
        name = f'"{row["s"]}"."{row["t"]}"'
        written[f"lake {name}"] = repr(resources.lake.query(f"SELECT * FROM {name}"))  # noqa: S608 - our names
    return written


def find_leaks(written: dict[str, str], secrets: set[str]) -> list[str]:
    """Return where a secret stands, in any of the forms in which one could."""
    leaks = []
    for secret in sorted(secrets):
        encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
        forms = {*forms_of(secret), json.dumps(secret)[1:-1], encoded}
        for place, text in written.items():
            at = next((text.index(form) for form in forms if form in text), None)
            if at is not None:
                leaks.append(f"{place}: ...{text[max(0, at - 150) : at + 20]!r} ({secret[:20]}...)")
    return leaks


@pytest.mark.parametrize("scheduled", SCHEDULED_FLOWS, ids=lambda scheduled: scheduled.name)
def test_no_flow_takes_a_secret(scheduled: ScheduledFlow) -> None:
    """Prefect keeps and shows a run's parameters."""
    flow = getattr(importlib.import_module(scheduled.module), scheduled.function)
    words = re.compile(r"token|secret|password|credential|key", re.IGNORECASE)
    assert [name for name in flow.parameters.properties if words.search(name)] == []


@pytest.mark.parametrize("form", ["{0}", "a=%s&", "Basic {1}"])
def test_the_search_finds_what_is_there(form: str) -> None:
    secret = "planted/1+k3ySpq7=="
    text = form.format(secret, base64.b64encode(secret.encode()).decode()).replace(
        "%s", quote(secret, safe="")
    )
    assert len(find_leaks({"a.log": f"one {text} two", "b.log": "nothing"}, {secret})) == 1
