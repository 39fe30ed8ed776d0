"""The hourly flow: every rule is extended to the horizon, and a failing rule does not stop the others."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from connectors.types import PostContent
from flows.errors import PartlyFailedError
from flows.publishing.recurring_posts import extend_recurrences
from warehouse.scheduling.recurrence_rules import parse_rule
from warehouse.scheduling.recurrences import RecurrenceDraft, create_recurrence
from warehouse.store.models import AccountRow, Post
from warehouse.store.posts.duplicates import Target
from warehouse.store.schedules.recurrence_models import Recurrence

if TYPE_CHECKING:
    from tests.connectors.harness import Clock
    from tests.flows.conftest import Floor


def add_rule(floor: Floor, text: str, *, ahead: timedelta) -> str:
    now = floor.clock()
    rule = parse_rule("FREQ=DAILY", now.replace(tzinfo=None) + timedelta(hours=1), ZoneInfo("UTC"))
    account = floor.accounts["twitter"]
    draft = RecurrenceDraft(rule, text, [Target(account, PostContent(text=text))])
    with floor.resources.store.write() as session:
        workspace_id = session.get_one(AccountRow, account.id).workspace_id
        return create_recurrence(session, workspace_id, draft, until=now + ahead, now=now).id


def count_posts(floor: Floor) -> int:
    with floor.resources.store.read() as session:
        return session.query(Post).filter_by(origin="socialflow").count()


POISONED_RULES: dict[str, dict[str, Any]] = {
    "a rule that is none": {"rrule": "FREQ=NEVER"},
    "a rule that is empty": {"rrule": ""},
    "a start that is not a time": {"starts_at": "someday"},
    "a time zone that no computer knows": {"timezone": "Mars/Olympus"},
    "content of another shape": {"contents": {"acct_1": "text"}},
    "details of another shape": {"details": ["text"]},
    "exceptions of another shape": {"skipped": 7},
}


@pytest.mark.parametrize("poison", POISONED_RULES)
def test_one_poisoned_rule_holds_back_none_of_ten(floor: Floor, clock: Clock, poison: str) -> None:
    broken = add_rule(floor, "poisoned", ahead=timedelta(days=1))
    values = dict(POISONED_RULES[poison])
    if "acct_1" in values.get("contents", ()):
        values["contents"] = {floor.accounts["twitter"].id: "text"}
    for number in range(10):
        add_rule(floor, f"healthy {number}", ahead=timedelta(days=13))
    with floor.resources.store.write() as session:
        row = session.get_one(Recurrence, broken)
        for name, value in values.items():
            setattr(row, name, value)
    report = extend_recurrences(floor.resources, clock=clock)
    assert (report.accounts, report.counts["posts"]) == (11, 10)
    assert set(report.failures) == {broken}
    with pytest.raises(PartlyFailedError, match=broken):
        report.raise_if_failed()


def test_every_rule_reaches_the_horizon_and_a_broken_one_shows(floor: Floor, clock: Clock) -> None:
    add_rule(floor, "one", ahead=timedelta(days=1))
    broken = add_rule(floor, "two", ahead=timedelta(days=1))
    add_rule(floor, "three", ahead=timedelta(days=1))
    with floor.resources.store.write() as session:
        session.get_one(Recurrence, broken).rrule = "FREQ=NEVER"
    report = extend_recurrences(floor.resources, clock=clock)
    assert report.counts["posts"] == 2 * 13
    assert set(report.failures) == {broken}
    assert count_posts(floor) == 3 + 2 * 13
    with floor.resources.store.write() as session:
        session.get_one(Recurrence, broken).rrule = "FREQ=DAILY"
    assert extend_recurrences(floor.resources, clock=clock).counts["posts"] == 13
    assert extend_recurrences(floor.resources, clock=clock).counts["posts"] == 0
