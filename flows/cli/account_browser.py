"""Connect an account in the browser: start the authorization with the running API and wait for the result.

The platform redirects the browser to the API's own address, the only redirect URI registered with it, so the
API must run. It is called with a temporary API key that is revoked at the end.
"""

from __future__ import annotations

import time
import webbrowser
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx

from flows.cli.output import say
from flows.errors import NotConnectedError
from warehouse.errors import SetupError
from warehouse.store.access.api_keys import create_api_key, revoke_api_key
from warehouse.store.accounts.accounts import list_accounts
from warehouse.store.accounts.authorizations import LIFETIME, find_progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connectors.types import Platform
    from warehouse.store.access.api_keys import CreatedApiKey
    from warehouse.store.database import Store
    from warehouse.store.models import AccountRow

PAUSE_SECONDS = 0.3
EXCHANGE = timedelta(minutes=1)
"""Time for the API to identify the account with the platform after the redirect."""


def connect_by_browser(
    store: Store,
    workspace_id: str,
    platform: Platform,
    asked: Mapping[str, str | None],
    *,
    api_url: str,
    timeout: float,
    opens: bool,
) -> list[AccountRow]:
    """Print the authorization URL, open it on request, and return the connected accounts.

    `asked`: instance_url, account and timezone, as POST /accounts/connect/{platform}/start takes them;
    `timeout` in seconds. Raises SetupError if no API of this store answers, NotConnectedError with the
    reason.
    """
    with _passing_key(store, workspace_id) as key:
        started = _begin(api_url, key, platform, {name: value for name, value in asked.items() if value})
        url = str(started["authorization_url"])
        say(f"Open this address in a browser and approve (it works once, for ten minutes):\n{url}")
        if opens:
            webbrowser.open(url)
        state = parse_qs(urlsplit(url).query)["state"][0]
        return _wait_for_accounts(store, workspace_id, platform, state, timeout)


@contextmanager
def _passing_key(store: Store, workspace_id: str) -> Iterator[CreatedApiKey]:
    now = datetime.now(UTC)
    with store.write() as session:
        ends = now + LIFETIME + EXCHANGE
        name = "socialflow accounts connect --browser"
        key = create_api_key(session, store.cipher, workspace_id, name, ["accounts"], now, ends)
    try:
        yield key
    finally:
        with store.write() as session:
            revoke_api_key(session, workspace_id, key.row.id, datetime.now(UTC))


def _begin(api_url: str, key: CreatedApiKey, platform: Platform, asked: dict[str, str]) -> dict[str, Any]:
    try:
        with httpx.Client(base_url=api_url, timeout=60) as client:
            credentials = {"api_key": key.api_key, "api_secret": key.api_secret}
            answer = client.post("/api/v1/auth/token", json=credentials)
            if answer.status_code == 401:
                raise SetupError(f"the server at {api_url} uses another store than this home")
            answer.raise_for_status()
            token = {"Authorization": f"Bearer {answer.json()['access_token']}"}
            answer = client.post(f"/api/v1/accounts/connect/{platform}/start", json=asked, headers=token)
            body = answer.json()
            if not answer.is_success:
                raise NotConnectedError(str(body["detail"]))
            started: dict[str, Any] = body
            return started
    except (httpx.HTTPError, ValueError, KeyError):
        raise SetupError(
            f"no SocialFlow API answers at {api_url}, which the platform redirects the browser to: start "
            "`socialflow up` first (SOCIALFLOW_API_HOST and SOCIALFLOW_API_PORT say where it listens)"
        ) from None


def _wait_for_accounts(
    store: Store, workspace_id: str, platform: Platform, state: str, seconds: float
) -> list[AccountRow]:
    """Return the accounts of one consent; the API saves them in one transaction after consuming the state."""
    ends = time.monotonic() + min(seconds, LIFETIME.total_seconds())
    while time.monotonic() < ends:
        with store.read() as session:
            progress = find_progress(session, state)
            rows = list_accounts(session, workspace_id, platform=platform, statuses=("active",))
        if not progress.is_known:
            raise NotConnectedError("the account was not connected: the page in the browser says why")
        back = progress.returned_at
        found = [row for row in rows if back and row.status_changed_at and row.status_changed_at >= back]
        if found:
            return found
        time.sleep(PAUSE_SECONDS)
    raise NotConnectedError("nobody returned from the platform in time: nothing was connected, start again")
