"""Many posts in one transaction, over both databases."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from warehouse.errors import InvalidInputError, SetupError
from warehouse.planning.bulk import create_posts, rows_need_lake
from warehouse.planning.files import MAX_ROWS, read_post_rows
from warehouse.store.access.workspaces import update_workspace
from warehouse.store.models import Post, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.warehouse.conftest import World
    from warehouse.planning.bulk import BulkMode
    from warehouse.planning.context import PlanningContext
    from warehouse.planning.files import FileFormat, PostRow

    Planner = Callable[..., AbstractContextManager[PlanningContext]]

GOOD = {"content": "first", "platforms": ["mastodon"]}
OTHER = {"content": "second", "platforms": ["twitter"]}
WRONG = {"content": "third", "platforms": ["myspace"]}


def lines(*rows: dict[str, Any]) -> list[PostRow]:
    return read_post_rows("\n".join(json.dumps(row) for row in rows).encode(), "json_lines")


def contents(world: World) -> list[str]:
    with world.store.read() as session:
        return sorted(post.content for post in session.query(Post))


@pytest.mark.parametrize(
    ("mode", "dry_run", "saved"),
    [("all", False, []), ("each", False, ["first", "second"]), ("all", True, []), ("each", True, [])],
)
def test_what_is_rolled_back_leaves_the_rest_of_the_transaction(
    world: World,
    planner: Planner,
    mode: BulkMode,
    dry_run: bool,  # noqa: FBT001 (a parameter of the test)
    saved: list[str],
) -> None:
    with planner() as context:
        update_workspace(context.session, world.workspace_id, name="before")
        report = create_posts(context, lines(GOOD, WRONG, OTHER), mode=mode, dry_run=dry_run)
    assert contents(world) == saved
    assert (report.total, report.failed, report.created) == (3, 1, len(saved))
    status = "created" if saved else "valid"
    assert [row.status for row in report.rows] == [status, "failed", status]
    assert [bool(row.post_id) for row in report.rows] == [bool(saved), False, bool(saved)]
    assert (report.rows[1].code, report.rows[1].errors[0]["pointer"]) == ("unknown_platform", "/platforms/0")
    with world.store.read() as session:
        assert session.get_one(Workspace, world.workspace_id).name == "before"


def test_a_row_sees_the_rows_before_it(world: World, planner: Planner) -> None:
    with planner() as context:
        report = create_posts(context, lines(GOOD, GOOD, {"content": 1}), mode="each")
    first, second, third = report.rows
    assert (second.code, second.existing_id) == ("duplicate", first.post_id)
    assert (third.code, third.errors[0]["pointer"]) == ("invalid_request", "/content")
    assert contents(world) == ["first"]


def test_a_broken_installation_is_no_rows_fault(planner: Planner) -> None:
    def broken() -> Any:
        raise SetupError("there is no lake")

    rows = lines({**GOOD, "scheduled_at": "optimal"})
    with pytest.raises(SetupError), planner() as context:
        create_posts(replace(context, open_lake=broken), rows, mode="each")


def test_the_lake_is_opened_only_for_rows_that_ask_for_advice() -> None:
    assert not rows_need_lake(lines(GOOD, OTHER))
    assert rows_need_lake(lines(GOOD, {**OTHER, "scheduled_at": "optimal"}))
    assert not rows_need_lake(read_post_rows(b"7\n{", "json_lines"))


@pytest.mark.parametrize(
    ("body", "file_format", "code"),
    [
        (b"", "json_lines", "no_rows"),
        (b"[]", "json", "no_rows"),
        (b"\x81", "csv", "not_utf8"),
        (b"content,surprise\na,b\n", "csv", "unknown_column"),
        (b"{}\n" * (MAX_ROWS + 1), "json_lines", "too_many_rows"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_error(body: bytes, file_format: FileFormat, code: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        read_post_rows(body, file_format)
    assert refused.value.code == code
    assert refused.value.entries[0]["pointer"] == ""
