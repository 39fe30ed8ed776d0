"""The printed reference, run as printed: the requests in a shell, the answers compared by names and types."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.api.harness import RunningServer, SettableClock
from warehouse.store.access.api_keys import create_api_key
from warehouse.store.access.workspaces import DEFAULT_WORKSPACE_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

REFERENCE = (Path(__file__).parent / "socialflow-api.txt").read_text()
CURLS = [match[0] for match in re.finditer(r"^curl (?:'[^']*'|\\\n|[^'\n])*", REFERENCE, re.MULTILINE)]
RESPONSES = [
    json.loads(text) for text in re.findall(r"^Response\n\n(\{.*?^\})", REFERENCE, re.MULTILINE | re.DOTALL)
]
APRIL = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)
"""A day on which the printed scheduled_at is still to come."""

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.fixture(scope="module")
def april(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server in April 2026 and what to write in place of the reference's placeholders."""
    with RunningServer(tmp_path_factory.mktemp("april"), SettableClock(APRIL)) as server:
        store = server.services.store
        with store.write() as session:
            scopes = ("read", "write", "analytics", "accounts")
            key = create_api_key(session, store.cipher, DEFAULT_WORKSPACE_ID, "test", scopes, APRIL)
        values = {
            "https://api.socialflow.io": server.url,
            "your_api_key": key.api_key,
            "your_api_secret": key.api_secret,
        }
        answer = httpx.post(
            f"{server.url}/api/v1/auth/token", json={"api_key": key.api_key, "api_secret": key.api_secret}
        )
        values["YOUR_TOKEN"] = answer.json()["access_token"]
        by_platform = {account.platform: account for account in server.world.accounts}
        values["INSTAGRAM_ACCESS_TOKEN"] = by_platform["instagram"].access_token
        for platform in ("twitter", "instagram"):
            connected = httpx.post(
                f"{server.url}/api/v1/accounts/connect",
                headers={"Authorization": f"Bearer {values['YOUR_TOKEN']}"},
                json={"platform": platform, "access_token": by_platform[platform].access_token},
            )
            assert connected.status_code == 201, connected.text
        yield values


def run(curl: str, values: dict[str, str]) -> tuple[int, Any]:
    for placeholder, value in values.items():
        curl = curl.replace(placeholder, value)
    shell = f"{curl.replace('curl ', 'curl -sS -w %{stderr}%{http_code} ', 1)}\nwait\n"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=30, check=False)
    status = re.search(r"\b([1-5]\d\d)\b", done.stderr)
    assert status, done.stderr
    return int(status[1]), json.loads(done.stdout)


def find(*words: str) -> str:
    found = [curl for curl in CURLS if all(word in curl for word in words)]
    assert len(found) == 1, (words, CURLS)
    return found[0]


def check_shape(printed: object, answered: object, where: str = "answer") -> None:
    """Every printed name is there, with a value of the printed type."""
    if isinstance(printed, dict):
        assert isinstance(answered, dict), where
        for name, value in printed.items():
            assert name in answered, f"{where}.{name}"
            check_shape(value, answered[name], f"{where}.{name}")
    elif isinstance(printed, list):
        assert isinstance(answered, list), where
        for number, item in enumerate(answered):
            check_shape(printed[0], item, f"{where}[{number}]")
    else:
        assert type(answered) is type(printed), f"{where}: {answered!r} is not like {printed!r}"


def test_the_reference_was_read_whole() -> None:
    assert len(CURLS) == REFERENCE.count("\ncurl ") == 7
    assert len(RESPONSES) == 2


def test_token(april: dict[str, str]) -> None:
    status, answer = run(find("auth/token"), april)
    assert status == 200
    check_shape(RESPONSES[0], answer)
    assert set(answer) == {"access_token", "token_type", "expires_in"}
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3600)


def test_create_then_list(april: dict[str, str]) -> None:
    status, post = run(find("Excited"), april)
    assert status == 201, post
    assert post["content"] == "Excited to announce our new feature!"
    assert post["platforms"] == ["twitter", "instagram"]
    assert post["scheduled_at"] == "2026-04-15T14:30:00Z"
    assert post["status"] == "scheduled"
    assert [warning.partition(":")[0] for warning in post["warnings"]] == ["instagram"]

    # As printed, without quotes, the shell cuts the request at the `&`, its token included.
    cut = find("status=draft")
    status, answer = run(cut, april)
    assert (status, answer["code"]) == (401, "missing_token")
    quoted = re.sub(r"(https://\S+)", r'"\1"', cut)
    status, answer = run(quoted, april)
    assert status == 200
    assert (answer["data"], answer["has_more"]) == ([], False)
    status, answer = run(quoted.replace("status=draft", "status=scheduled"), april)
    assert [entry["id"] for entry in answer["data"]] == [post["id"]]


def test_schedules(april: dict[str, str]) -> None:
    status, answer = run(find("/schedules"), april)
    assert status == 200
    assert answer["timezone"] == "UTC"


def test_overview(april: dict[str, str]) -> None:
    status, answer = run(find("analytics/overview"), april)
    assert status == 200
    # Nothing was measured in this home: null, never 0. With figures, see test_analytics.
    assert (answer["total_posts"], answer["total_engagement"], answer["follower_growth"]) == (0, None, None)
    assert answer["top_performing"] == []


def test_accounts(april: dict[str, str]) -> None:
    status, answer = run(find("/accounts \\"), april)
    assert status == 200
    assert {entry["platform"] for entry in answer["data"]} == {"twitter", "instagram"}


def test_connect(april: dict[str, str]) -> None:
    status, answer = run(find("accounts/connect"), april)
    assert status == 201, answer
    assert (answer["platform"], answer["health"]["status"]) == ("instagram", "ok")
    assert april["INSTAGRAM_ACCESS_TOKEN"] not in json.dumps(answer)


def test_overview_shape_is_the_printed_one() -> None:
    printed = RESPONSES[1]
    check_shape(printed, {**printed, "total_posts": 1})
    with pytest.raises(AssertionError):
        check_shape(printed, {**printed, "total_posts": "1"})
    with pytest.raises(AssertionError):
        check_shape(printed, {"total_posts": 1})
