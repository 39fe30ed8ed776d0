"""The hourly flow: every rule is extended to the horizon, and a failing rule does not stop the others."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from connectors.types import PostContent
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
