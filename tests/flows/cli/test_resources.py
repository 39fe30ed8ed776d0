"""The commands for workspace, accounts, queue, keys, feeds, media, webhooks, posts and recurrences, as typed."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from connectors.types import Credentials, Platform, VerifiedAccount
from flows.cli import app, output
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.store.database import Store

LATER = "2031-03-05T10:00:00Z"
PNG = b"\x89PNG\r\n\x1a\n" + b"a picture, as far as its first bytes tell"


def run(*arguments: str) -> Any:
    """Run a command that works, and return what it prints: JSON with --json."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout) if "--json" in arguments else result.output


def refuse(*arguments: str) -> dict[str, Any]:
    """Run a command that is refused in one sentence, and return its JSON."""
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 1, result.output
    (line,) = result.stderr.strip().splitlines()
    problem: dict[str, Any] = json.loads(result.stdout)
    assert line.startswith("error: ")
    option, _, reason = line.removeprefix("error: ").partition(": ")  # an error of an option begins with it
    said = reason if option.startswith("--") else line.removeprefix("error: ")
    assert said
    assert problem["detail"].endswith(said)
    return problem


@pytest.fixture
def account_id(store: Store) -> str:
    now = datetime.now(UTC)
    with store.write() as session:
        workspace = ensure_default_workspace(session, now)
        verified = VerifiedAccount("1", "someone", "Someone", Credentials(SecretStr("token")))
        return connect_account(session, store.cipher, workspace.id, verified, Platform.MASTODON, now).id


def test_an_accounts_time_zone_is_set_and_the_lake_follows(account_id: str) -> None:
    def in_lake() -> Any:
        statement = f"SELECT timezone FROM dims.accounts WHERE account_id = '{account_id}'"  # noqa: S608 (our own id)
        (row,) = json.loads(run("sql", "--format", "json", statement))
        return row["timezone"]

    assert (
        run("accounts", "set", account_id, "--timezone", "Asia/Tokyo", "--json")["timezone"] == "Asia/Tokyo"
    )
    assert in_lake() == "Asia/Tokyo"
    assert refuse("accounts", "set", account_id, "--timezone", "Mars/Olympus")["code"] == "unknown_timezone"
    assert run("accounts", "set", account_id, "--timezone", "workspace", "--json")["timezone"] is None
    run("workspace", "set", "--timezone", "Europe/Berlin")
    assert in_lake() == "Europe/Berlin"


def test_the_workspace_is_shown_and_changed() -> None:
    assert run("workspace", "show", "--json")["timezone"] == "UTC"
    changed = run(
        *("workspace", "set", "--timezone", "Europe/Berlin", "--approval", "--random-share", "0.2"),
        *("--weekly-exploration", "--name", "Ours", "--json"),
    )
    assert (changed["name"], changed["timezone"], changed["approval_required"]) == (
        "Ours",
        "Europe/Berlin",
        True,
    )
    assert (changed["random_share"], changed["weekly_exploration"]) == (0.2, True)
    assert run("workspace", "set", "--no-approval", "--json")["approval_required"] is False
    assert run("workspace", "show", "--json")["random_share"] == 0.2
    assert run("workspace", "pause", "--json")["publishing_paused_at"] is not None
    assert run("workspace", "resume", "--json")["publishing_paused_at"] is None


@pytest.mark.parametrize(
    ("options", "code", "field"),
    [
        (["--timezone", "Mars/Olympus"], "unknown_timezone", "/timezone"),
        (["--random-share", "0.7"], "invalid_request", "/random_share"),
        (["--name", " "], "invalid", "/name"),
        ([], "nothing_to_change", "/name"),
    ],
)
def test_a_wrong_workspace_setting_changes_nothing(options: list[str], code: str, field: str) -> None:
    before = run("workspace", "show", "--json")
    problem = refuse("workspace", "set", *options)
    assert (problem["code"], problem["errors"][0]["pointer"]) == (code, field)
    assert run("workspace", "show", "--json") == before


def test_an_account_is_paused_resumed_and_disconnected(account_id: str) -> None:
    assert run("accounts", "pause", account_id, "--json")["paused_at"] is not None
    assert run("accounts", "show", account_id, "--json")["paused_at"] is not None
    assert run("accounts", "resume", account_id, "--json")["paused_at"] is None
    assert [one["id"] for one in run("accounts", "list", "--platform", "mastodon", "--json")] == [account_id]
    assert run("accounts", "list", "--platform", "x", "--json") == []
    assert refuse("accounts", "list", "--platform", "myspace")["code"] == "unknown_platform"
    post = run("posts", "create", "--content", "hello", "--account", account_id, "--at", LATER, "--json")

    gone = run("accounts", "disconnect", account_id, "--json")
    assert gone["canceled_publication_ids"] == [post["publications"][0]["id"]]
    assert gone["status"] == "disconnected"
    assert refuse("accounts", "pause", "acct_none")["code"] == "not_found"


def test_a_person_is_asked_before_something_is_destroyed(
    account_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run("keys", "create", "--name", "ci", "--json")
    asked: list[str] = []

    def answer(question: str, **_how: Any) -> bool:
        asked.append(question)
        return True

    monkeypatch.setattr(output, "can_ask", lambda: True)
    monkeypatch.setattr(output.typer, "confirm", answer)
    assert run("keys", "revoke", made["id"], "--json")["status"] == "revoked"
    assert run("accounts", "disconnect", account_id, "--json")["status"] == "disconnected"
    assert ["ci" in asked[0], "mastodon @someone" in asked[1]] == [True, True]


def test_a_queue_is_filled_moved_and_replaced(account_id: str) -> None:
    slot = run("queue", "add", account_id, "--weekday", "mon", "--time", "09:30", "--json")
    assert (slot["weekday"], slot["time"], slot["timezone"]) == (0, "09:30", "UTC")
    assert refuse("queue", "add", account_id, "--weekday", "0", "--time", "9:30")["code"] == "invalid_time"
    twice = refuse("queue", "add", account_id, "--weekday", "Monday", "--time", "09:30")
    assert (twice["code"], twice["existing_id"]) == ("duplicate", slot["id"])
    assert run("queue", "move", account_id, slot["id"], "--weekday", "fri", "--json")["weekday"] == 4
    replaced = run("queue", "set", account_id, "fri 09:30", "sat 10:00", "--json")
    assert [(one["weekday"], one["time"]) for one in replaced] == [(4, "09:30"), (5, "10:00")]
    assert replaced[0]["id"] == slot["id"]
    assert refuse("queue", "set", account_id, "someday 10:00")["code"] == "invalid_weekday"
    assert refuse("queue", "set", account_id, "fri")["code"] == "invalid_slot"
    assert len(run("queue", "list", account_id, "--json")) == 2
    assert refuse("queue", "remove", account_id, slot["id"])["code"] == "not_confirmed"
    assert run("queue", "remove", account_id, slot["id"], "--yes", "--json")["id"] == slot["id"]
    assert refuse("queue", "list", "acct_none")["code"] == "not_found"


def test_a_key_ends_when_it_is_told_to() -> None:
    run("workspace", "set", "--timezone", "Europe/Berlin")
    made = run(
        "keys", "create", "--name", "ci", "--scope", "read", "--expires-at", "2031-07-01T12:00:00", "--json"
    )
    assert (made["scopes"], made["expires_at"]) == (["read"], "2031-07-01T10:00:00+00:00")
    shown = run("keys", "show", made["id"], "--json")
    assert shown["status"] == "active"
    assert made["api_secret"] not in json.dumps(shown)
    assert (
        refuse("keys", "create", "--name", "x", "--expires-at", "2001-01-01T00:00:00Z")["code"]
        == "in_the_past"
    )
    assert refuse("keys", "create", "--name", "x" * 201)["code"] == "invalid_request"


def test_a_feed_is_made_rotated_and_revoked() -> None:
    made = run("calendar-feeds", "create", "--name", "Ada", "--json")
    assert made["path"] == f"/api/v1/schedules.ics?token={made['token']}"
    rotated = run("calendar-feeds", "rotate", made["id"], "--yes", "--json")
    assert rotated["token"] != made["token"]
    assert refuse("calendar-feeds", "revoke", made["id"])["code"] == "not_confirmed"
    assert run("calendar-feeds", "revoke", made["id"], "--yes", "--json")["revoked_at"] is not None
    assert refuse("calendar-feeds", "rotate", made["id"], "--yes")["code"] == "revoked"
    (listed,) = run("calendar-feeds", "list", "--json")
    assert (listed["created_by"], "token" in listed) == ("cli", False)
    assert refuse("calendar-feeds", "create", "--name", "")["errors"][0]["pointer"] == "/name"


def test_media_are_uploaded_downloaded_and_deleted(tmp_path: Path, account_id: str) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    made = run("media", "upload", str(tmp_path / "a.png"), "--json")
    assert (made["kind"], made["content_type"], made["size"]) == ("image", "image/png", len(PNG))
    assert run("media", "list", "--json") == [made]
    run("media", "download", made["id"], "--output", str(tmp_path / "copy.png"))
    assert (tmp_path / "copy.png").read_bytes() == PNG
    post = run(
        *("posts", "create", "--content", "hello", "--account", account_id, "--at", LATER),
        *("--image", made["url"], "--json"),
    )
    in_use = refuse("media", "delete", made["id"], "--yes")
    assert (in_use["code"], in_use["existing_id"]) == ("media_in_use", post["id"])
    run("posts", "delete", post["id"], "--yes")
    assert run("media", "delete", made["id"], "--yes", "--json")["id"] == made["id"]
    assert refuse("media", "show", made["id"])["code"] == "not_found"
    (tmp_path / "a.txt").write_text("no picture")
    assert refuse("media", "upload", str(tmp_path / "a.txt"))["code"] == "unsupported_media"
    assert refuse("media", "upload", str(tmp_path / "none.png"))["code"] == "unreadable_file"
    assert run("media", "list", "--json") == []


def test_a_webhook_is_changed_paused_tested_and_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refuse("webhooks", "create", "--url", "http://127.0.0.1:9/x")["code"] == "webhook_url_refused"
    monkeypatch.setenv("SOCIALFLOW_WEBHOOK_ALLOW_PRIVATE", "true")
    assert (
        refuse("webhooks", "create", "--url", "http://127.0.0.1:9/x", "--event", "x")["code"]
        == "invalid_request"
    )
    made = run("webhooks", "create", "--url", "http://127.0.0.1:9/x", "--json")
    changed = run(
        "webhooks", "change", made["id"], "--event", "post.failed", "--description", "ours", "--json"
    )
    assert (changed["events"], changed["description"], changed["url"]) == (
        ["post.failed"],
        "ours",
        made["url"],
    )
    delivery = run("webhooks", "test", made["id"], "--json")
    assert (delivery["type"], delivery["status"]) == ("webhook.test", "pending")
    assert [one["id"] for one in run("webhooks", "deliveries", made["id"], "--json")] == [delivery["id"]]
    assert (
        run("webhooks", "delivery", made["id"], delivery["id"], "--json")["payload"]["type"] == "webhook.test"
    )
    assert run("webhooks", "replay", made["id"], "--delivery", delivery["id"], "--json") == {"replayed": 1}
    assert refuse("webhooks", "replay", made["id"], "--delivery", "whd_none")["code"] == "not_found"
    assert run("webhooks", "pause", made["id"], "--json")["status"] == "disabled"
    assert refuse("webhooks", "test", made["id"])["code"] == "webhook_disabled"
    assert run("webhooks", "resume", made["id"], "--json")["status"] == "enabled"
    rotated = run("webhooks", "rotate", made["id"], "--json")
    assert rotated["secret"] != made["secret"]
    assert rotated["old_secret_until"] is not None
    assert refuse("webhooks", "deliveries", made["id"], "--status", "lost")["code"] == "unknown_choice"
    run("webhooks", "delete", made["id"], "--yes")
    assert refuse("webhooks", "show", made["id"])["code"] == "not_found"


def test_a_post_is_edited_under_its_version_and_deleted(account_id: str) -> None:
    post = run(
        *("posts", "create", "--content", "hello", "--account", account_id, "--at", LATER),
        *("--thread", "second", "--first-comment", "more", "--link", "https://example.com/", "--json"),
    )
    edited = run(
        *("posts", "edit", post["id"], "--content", "better", "--clear", "thread", "--clear", "link"),
        *("--if-version", str(post["version"]), "--json"),
    )
    assert (edited["content"], edited["thread"], edited["link"]) == ("better", [], None)
    assert (edited["first_comment"], edited["scheduled_at"]) == ("more", post["scheduled_at"])
    stale = refuse("posts", "edit", post["id"], "--content", "late", "--if-version", str(post["version"]))
    assert stale["code"] == "stale"
    assert refuse("posts", "edit", post["id"])["code"] == "nothing_to_change"
    assert refuse("posts", "edit", post["id"], "--clear", "thread", "--thread", "x")["code"] == "invalid"
    assert refuse("posts", "edit", post["id"], "--draft")["code"] == "already_scheduled"
    draft = run("posts", "create", "--content", "later", "--account", account_id, "--draft", "--json")
    assert run("posts", "edit", draft["id"], "--schedule", "--at", LATER, "--json")["status"] == "scheduled"
    assert run("posts", "delete", post["id"], "--yes", "--json")["status"] == "canceled"
    assert refuse("posts", "delete", "post_none", "--yes")["code"] == "not_found"


def test_a_dry_run_saves_nothing(account_id: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    told = run(
        *("posts", "create", "--content", "hello", "--account", account_id, "--at", LATER),
        *("--image", str(tmp_path / "a.png"), "--dry-run", "--json"),
    )
    assert told["publications"][0]["content"]["text"] == "hello"
    assert run("posts", "list", "--json") == run("media", "list", "--json") == []


def test_posts_are_found_by_what_the_api_filters_by(account_id: str) -> None:
    run("workspace", "set", "--approval")
    for number, day in enumerate(("2031-03-05", "2031-04-05")):
        run(
            "posts",
            "create",
            "--content",
            f"post {number}",
            "--account",
            account_id,
            "--at",
            f"{day}T10:00:00Z",
        )
    found = run("posts", "list", "--from", "2031-04-01T00:00:00", "--approval", "pending", "--json")
    assert [one["content"] for one in found] == ["post 1"]
    assert len(run("posts", "list", "--platform", "mastodon", "--status", "scheduled", "--json")) == 2
    assert run("posts", "list", "--to", "2031-01-01T00:00:00", "--json") == []
    assert refuse("posts", "list", "--status", "lost")["code"] == "unknown_choice"
    days = run("schedules", "show", "--from", "2031-03-01T00:00:00", "--to", "2031-03-31T00:00:00", "--json")
    assert [day["date"] for day in days["data"]] == ["2031-03-05"]


def test_a_recurrence_is_made_changed_and_ended(account_id: str) -> None:
    rule = ("--rule", "FREQ=DAILY", "--starts-at", "2026-03-03T09:00:00", "--timezone", "Europe/Berlin")
    previewed = run("recurrences", "preview", *rule, "--limit", "2", "--json")
    assert len(previewed["data"]) == 2
    made = run("recurrences", "create", *rule, "--content", "daily", "--account", account_id, "--json")
    assert (made["timezone"], made["account_ids"]) == ("Europe/Berlin", [account_id])
    posts = run("posts", "list", "--recurrence", made["id"], "--json")
    assert posts
    twice = refuse("recurrences", "create", *rule, "--content", "daily", "--account", account_id)
    assert (twice["code"], twice["existing_id"]) == ("duplicate", made["id"])
    edited = run("recurrences", "edit", made["id"], "--content", "every day", "--json")
    assert edited["content"] == "every day"
    assert {one["content"] for one in run("posts", "list", "--recurrence", made["id"], "--json")} == {
        "every day"
    }
    assert (
        refuse("recurrences", "edit", made["id"], "--rule", "FREQ=NEVER")["errors"][0]["pointer"] == "/rrule"
    )
    assert [one["id"] for one in run("recurrences", "list", "--json")] == [made["id"]]
    assert refuse("recurrences", "delete", made["id"])["code"] == "not_confirmed"
    ended = run("recurrences", "delete", made["id"], "--yes", "--json")
    assert ended == {"id": made["id"], "canceled_posts": len(posts)}
    assert refuse("recurrences", "show", made["id"])["code"] == "not_found"


def test_tables_fit_eighty_columns(account_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run("queue", "add", account_id, "--weekday", "mon", "--time", "09:30")
    run("calendar-feeds", "create", "--name", "Ada's telephone")
    run("posts", "create", "--content", "words " * 60, "--account", account_id, "--at", LATER)
    run("keys", "create", "--name", "a key for continuous integration")
    monkeypatch.setattr(output, "is_terminal", lambda: True)
    monkeypatch.setitem(os.environ, "COLUMNS", "80")
    lists = (
        ["accounts", "list"],
        ["queue", "list", account_id],
        ["calendar-feeds", "list"],
        ["posts", "list"],
        ["keys", "list"],
        ["workspace", "show"],
        ["schedules", "show", "--from", "2031-03-01T00:00:00", "--to", "2031-03-31T00:00:00"],
    )
    for words in lists:
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.output
        # An id and many columns do not fit beside each other: a record is then lines of name and value.
        assert re.search("──", result.stdout) or words[0] in {"calendar-feeds", "keys"}, result.stdout
        for line in result.stdout.splitlines():
            assert len(line) <= 80, f"{words}: {line}"
        # What a person copies is whole: an id that is cut or wrapped cannot be used.
        for found in re.findall(r"\b(?:acct|slot|feed|post|key)_0\w*", result.stdout):
            assert len(found) > 25, f"{words}: {found} is not whole"
