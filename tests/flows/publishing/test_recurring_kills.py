"""A process that creates recurring posts is killed at random points and rerun: each occurrence exists once."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from connectors.types import Credentials, Platform, PostContent, VerifiedAccount
from warehouse.scheduling.recurrence_rules import parse_rule
from warehouse.scheduling.recurrences import RecurrenceDraft, create_recurrence
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.database import Store
from warehouse.store.models import Post, Publication
from warehouse.store.posts.duplicates import Target
from warehouse.store.publishing.ledger import verify_ledger
from warehouse.store.schedules.recurrence_models import Recurrence, RecurrenceOccurrence

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
ROME = ZoneInfo("Europe/Rome")
RULES, DAYS, KILLS = 16, 7, 5
HOURS = (0, 2, 9, 14, 20)
PROCESS = f"""
import sys
from datetime import datetime
from flows.publishing.recurring_posts import extend_recurrences
from flows.resources import Resources

now = datetime.fromisoformat({NOW.isoformat()!r})
with Resources.open() as resources:
    print("ready", flush=True)
    report = extend_recurrences(resources, clock=lambda: now)
report.raise_if_failed()
"""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> WarehouseSettings:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    return WarehouseSettings(home=tmp_path / "home", database_url=url)


def add_rules(store: Store) -> list[str]:
    """Add rules of which nothing is made yet, each five times a day."""
    who = VerifiedAccount("1", "ada", "Ada", Credentials(SecretStr("token")))
    with store.write() as session:
        workspace = ensure_default_workspace(session, NOW)
        account = connect_account(session, store.cipher, workspace.id, who, Platform.TWITTER, NOW)
        made = []
        for number in range(RULES):
            text = f"FREQ=DAILY;BYHOUR={','.join(map(str, HOURS))}"
            rule = parse_rule(text, datetime.fromisoformat("2026-03-02T14:00"), ROME)
            draft = RecurrenceDraft(rule, "again", [Target(account, PostContent(text=f"again {number}"))])
            made.append(create_recurrence(session, workspace.id, draft, until=NOW, now=NOW).id)
    return made


def start(settings: WarehouseSettings) -> subprocess.Popen[str]:
    """Start a process that makes what is missing, and return once it is about to."""
    environment = {
        **os.environ,
        "SOCIALFLOW_HOME": str(settings.home),
        "SOCIALFLOW_RECURRENCE_HORIZON": f"{DAYS}d",
    }
    if settings.database_url is not None:
        environment["SOCIALFLOW_DATABASE_URL"] = str(settings.database_url)
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def count_posts(store: Store) -> int:
    with store.read() as session:
        return session.query(Post).count()


def expected_occurrences() -> set[str]:
    """The local times of one rule between now and the horizon, counted here by hand."""
    days = [NOW.date() + timedelta(days=number) for number in range(DAYS + 1)]
    local = [datetime(day.year, day.month, day.day, hour) for day in days for hour in HOURS]  # noqa: DTZ001 (local times)
    return {
        one.isoformat()
        for one in local
        if NOW < one.replace(tzinfo=ROME).astimezone(UTC) <= NOW + timedelta(days=DAYS)
    }


def test_a_killed_process_makes_no_occurrence_twice_and_loses_none(settings: WarehouseSettings) -> None:
    chance = random.Random(7)
    with Store.open(settings) as store:
        rules = add_rules(store)
        expected = expected_occurrences()
        all_of_them = len(expected) * RULES
        midway = 0
        for _ in range(KILLS):
            process = start(settings)
            before = count_posts(store)
            # Somewhere within a rule or between two: what was seen of the work decides, not a clock alone.
            deadline = time.monotonic() + 20
            while count_posts(store) == before and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.15))
            process.kill()
            process.communicate(timeout=60)
            midway += 0 < count_posts(store) < all_of_them
        assert midway >= 2, "no kill came while there was work to do"
        last = start(settings)
        last.communicate(timeout=120)
        assert last.returncode == 0
        with store.read() as session:
            for rule in rules:
                rows = session.query(RecurrenceOccurrence).filter_by(recurrence_id=rule).all()
                assert {row.occurrence for row in rows} == expected
                assert len(rows) == len(expected)
                posts = [session.get_one(Post, str(row.post_id)) for row in rows]
                assert {post.details["recurrence"]["occurrence"] for post in posts} == expected
                assert [post.scheduled_at for post in posts] == [row.at for row in rows]
                assert session.get_one(Recurrence, rule).made_until == NOW + timedelta(days=DAYS)
            publications = session.query(Publication).all()
            assert set(Counter(row.post_id for row in publications).values()) == {1}
            assert len(publications) == session.query(Post).count() == all_of_them
            assert {row.status for row in publications} == {"scheduled"}
            assert [verify_ledger(session, row.id) for row in publications[:: RULES * 3]] == [[]] * len(
                publications[:: RULES * 3]
            )
        again = start(settings)
        again.communicate(timeout=120)
        assert count_posts(store) == all_of_them
