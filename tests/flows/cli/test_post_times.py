"""`--at optimal` and `socialflow times`, as typed, over a real store and lake."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from connectors.types import Credentials, Platform, VerifiedAccount
from flows.cli import app
from flows.ingestion.metrics import describe_accounts
from flows.run_report import RunReport
from warehouse.lake.connect import Lake
from warehouse.lake.load import load_accounts, load_publications
from warehouse.lake.rows import AccountDim, PublicationDim
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.measuring.measurements import list_due_snapshots
from warehouse.store.models import AccountRow, Post, Publication
from warehouse.store.schedules.placements import set_policy

if TYPE_CHECKING:
    from flows.resources import Resources
    from warehouse.settings import WarehouseSettings
    from warehouse.store.database import Store

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [*arguments])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout) if "--json" in arguments else result.output


@pytest.fixture
def account_id(store: Store) -> str:
    with store.write() as session:
        workspace = ensure_default_workspace(session, NOW)
        verified = VerifiedAccount("1", "someone", "Someone", Credentials(SecretStr("token")))
        row = connect_account(session, store.cipher, workspace.id, verified, Platform.MASTODON, NOW)
        return row.id


@pytest.fixture
def advised(store: Store, warehouse_settings: WarehouseSettings, account_id: str) -> str:
    """The account's week as the nightly computation leaves it: Mondays to Sundays, 18:00 UTC is best."""
    with store.read() as session:
        workspace_id = session.get_one(AccountRow, account_id).workspace_id
    values = ", ".join(
        f"('{workspace_id}', '{account_id}', 'mastodon', 'UTC', {weekday}, {hour}, {lift}, {lift - 0.1}, {lift + 0.1}, "
        f"0.99, 3, 20, 'own', 'medium', 50, 120, 'test', TIMESTAMPTZ '{NOW.isoformat()}')"
        for weekday in range(7)
        for hour in range(24)
        for lift in [0.4 - abs(hour - 18) / 20 - weekday / 1000]
    )
    with Lake.open(warehouse_settings) as lake:
        load_accounts(lake, [AccountDim(account_id, workspace_id, "mastodon", "someone")])
        load_publications(
            lake,
            [
                PublicationDim(
                    "pub_x", "post_x", workspace_id, account_id, "mastodon", "external", "text", NOW
                )
            ],
        )
        with lake.write() as cursor:
            cursor.execute(f"INSERT INTO marts.optimal_times VALUES {values}")  # noqa: S608 (our own values)
    return account_id


def test_without_a_lake_the_remedy_is_named(account_id: str) -> None:
    arguments = ("posts", "create", "--content", "x", "--account", account_id, "--at", "optimal")
    assert "there is no lake" in run(*arguments, code=1)
    for command in (("times",), ("times", "suggest"), ("times", "score")):
        assert "there is no lake" in run(*command, code=1)


def test_a_post_takes_the_advised_time_and_may_be_moved_to_the_next(advised: str) -> None:
    created = run("posts", "create", "--content", "a", "--account", advised, "--at", "optimal", "--json")
    at = datetime.fromisoformat(created["scheduled_at"])
    assert at.hour == 18
    assert at > datetime.now(UTC)
    told = run("posts", "create", "--content", "b", "--platform", "mastodon", "--at", "optimal")
    assert "the best of" in told
    moved = run("posts", "reschedule", created["id"], "--at", "optimal", "--json")
    assert abs(datetime.fromisoformat(moved["scheduled_at"]) - at) < timedelta(days=14)


def test_times_are_told_in_words(advised: str) -> None:
    told = run("times")
    assert "mastodon @someone" in told
    assert "Timing seems to matter" in told
    assert "not proof" in told
    (one,) = run("times", "--account", advised, "--limit", "5", "--json")
    assert (one["posts"], len(one["slots"])) == (120, 5)
    assert run("times", "--platform", "bluesky", "--json") == []


def test_times_for_several_posts_are_suggested(advised: str) -> None:
    found = run("times", "suggest", "--count", "2", "--account", advised, "--json")
    assert (found["asked"], found["found"], found["timezone"]) == (2, 2, "UTC")
    first, second = (datetime.fromisoformat(one["at"]) for one in found["data"])
    assert {first.hour, second.hour} <= {17, 18, 19}
    assert second - first >= timedelta(hours=2)
    told = run("times", "suggest", "--count", "2", "--weight", "mastodon:2", "--gap", "60")
    assert "All 2 fit, at least 60 minutes" in told
    assert f"{first:%Y-%m-%d}" in told
    # What is planned already is left free: the same question after one of the times was taken.
    run("posts", "create", "--content", "a", "--account", advised, "--at", first.isoformat(), "--json")
    again = run("times", "suggest", "--count", "2", "--account", advised, "--json")
    assert all(abs(datetime.fromisoformat(one["at"]) - first) >= timedelta(hours=2) for one in again["data"])


def test_a_time_is_scored(advised: str) -> None:
    evening = (NOW + timedelta(days=2)).replace(hour=18)
    told = run("times", "score", "--at", evening.isoformat(), "--json")
    (one,) = told["data"]
    assert (one["account_id"], one["hour"], told["timezone"]) == (advised, 18, "UTC")
    assert told["expected_lift_pct"] > 0
    post = run(
        "posts", "create", "--content", "a", "--account", advised, "--at", evening.isoformat(), "--json"
    )
    said = run(
        "times", "score", "--at", (evening + timedelta(minutes=10)).isoformat(), "--platform", "mastodon"
    )
    assert "1 other post(s) less than 30 minutes away" in said
    near = run("times", "score", "--at", evening.isoformat(), "--account", advised, "--json")["data"][0]
    assert [item["post_id"] for item in near["collisions"]] == [post["id"]]


WRONG_QUESTIONS = [
    (("suggest", "--platform", "myspace"), "unknown platform 'myspace'"),
    (("suggest", "--weight", "mastodon"), "such as instagram:2"),
    (("suggest", "--to", "2020-01-01T00:00:00Z"), "must be after"),
    (("score", "--at", "tomorrow"), "'tomorrow' is not a valid time"),
    (("score", "--account", "acct_none"), "acct_none"),
    (("score", "--timezone", "Mars/Olympus"), "unknown time zone"),
]


@pytest.mark.usefixtures("advised")
def test_a_wrong_question_about_times_is_one_sentence() -> None:
    for arguments, words in WRONG_QUESTIONS:
        said = run("times", *arguments, code=1)
        assert words in said
        assert len(said.strip().splitlines()) == 1, said


def test_the_lake_knows_how_each_post_was_placed(advised: str, resources: Resources) -> None:
    placed = run("posts", "create", "--content", "a", "--account", advised, "--at", "optimal", "--json")
    by_hand = run("posts", "create", "--content", "b", "--account", advised, "--json")
    with resources.store.write() as session:
        set_policy(session, ensure_default_workspace(session, NOW).id, NOW, random_share=0.5)
    drawn = run("posts", "create", "--content", "c", "--account", advised, "--at", "optimal", "--json")
    with resources.store.write() as session:
        for post in (placed, by_hand, drawn):
            row = session.get_one(Publication, post["publications"][0]["id"])
            row.status, row.external_id = "published", row.id
            row.published_at = row.next_snapshot_at = NOW - timedelta(days=1)
        kind = session.get_one(Post, drawn["id"]).details["placement"]["kind"]
        due = list_due_snapshots(session, NOW, 100)
    described = describe_accounts(resources, due, RunReport("placing"))
    load_publications(resources.lake, [dim for one in described for dim in one.publications.values()])
    rows = resources.lake.query("SELECT post_id, placement, placement_share FROM dims.publications")
    told = {row["post_id"]: (row["placement"], row["placement_share"]) for row in rows}
    assert told[placed["id"]] == ("recommended", None)
    assert told[by_hand["id"]] == ("manual", None)
    assert told[drawn["id"]] == (kind, 0.5)
    assert kind in ("recommended", "random")
    others = {
        post_id: how
        for post_id, how in told.items()
        if post_id not in {placed["id"], by_hand["id"], drawn["id"]}
    }
    assert set(others.values()) == {(None, None)}, "posts found in a history were placed by nobody here"
