"""Recurring rules, planned over both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from warehouse.errors import InvalidInputError
from warehouse.planning.recurrences import change_recurrence, create_recurrence, list_upcoming, read_rule
from warehouse.planning.wish import RecurrenceChange, RecurrenceWish
from warehouse.shapes import read_shape
from warehouse.store.models import Post

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.warehouse.conftest import World
    from warehouse.planning.context import PlanningContext

    Planner = Callable[..., AbstractContextManager[PlanningContext]]

RULE = {
    "rrule": "FREQ=WEEKLY;BYDAY=TU",
    "starts_at": "2026-03-03T09:00:00",
    "content": "a new week",
    "platforms": ["mastodon"],
}


def wish(**more: Any) -> RecurrenceWish:
    return read_shape(RecurrenceWish, {**RULE, **more})


def contents(world: World) -> list[str]:
    with world.store.read() as session:
        return [post.content for post in session.query(Post).where(Post.status == "scheduled")]


def test_a_rule_makes_its_posts_up_to_the_horizon_and_changes_them(world: World, planner: Planner) -> None:
    with planner() as context:
        row, warnings = create_recurrence(context, wish(timezone="Europe/Berlin"))
        assert list(warnings) == []
        assert row.made_until == world.at + timedelta(days=14)
    assert contents(world) == ["a new week"] * 2
    with planner() as context:
        changed = change_recurrence(
            context, row.id, read_shape(RecurrenceChange, {"content": "a newer week"})
        )
        assert (changed.row.rrule, changed.row.timezone) == (row.rrule, "Europe/Berlin")
    assert contents(world) == ["a newer week"] * 2


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"platforms": []}, "platforms", "no_target"),
        ({"starts_at": "2020-01-01T00:00:00"}, "starts_at", "start_out_of_range"),
        ({"rrule": "FREQ=DAILY;COUNT=1", "starts_at": "2026-03-01T00:00:00"}, "rrule", "rule_over"),
        ({"exdates": ["2026-03-04T09:00:00"]}, "exdates/0", "no_occurrence"),
        ({"content": "x" * 501}, "content", "text_too_long"),
    ],
)
def test_a_wrong_rule_names_its_field(
    world: World, planner: Planner, fields: dict[str, Any], field: str, code: str
) -> None:
    with pytest.raises(InvalidInputError) as refused, planner() as context:
        create_recurrence(context, wish(**fields))
    assert (refused.value.field, refused.value.code) == (field, code)
    assert contents(world) == []


def test_the_coming_times_of_a_rule_say_what_the_clocks_do(world: World, planner: Planner) -> None:
    with planner() as context:
        rule = read_rule(
            context, "FREQ=DAILY", "2026-03-28T02:30:00", timezone="Europe/Berlin", exdates=["2026-03-30"]
        )
    found, has_more = list_upcoming(rule, world.at, 2)
    assert [one.occurrence for one in found] == ["2026-03-28T02:30:00", "2026-03-29T02:30:00"]
    assert (found[1].resolution, has_more) == ("shifted_forward", True)
    assert "does not exist" in str(found[1].note)
