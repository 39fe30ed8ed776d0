"""The log of every process: text or JSON lines, with the ids of what is worked on."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.logs import (
    JsonFormatter,
    bind_log_ids,
    current_log_ids,
    log_ids,
    make_formatter,
    reformat_logs,
)
from connectors.printable import PrintableFormatter

if TYPE_CHECKING:
    from collections.abc import Callable


def write(work: Callable[[logging.Logger], None]) -> list[dict[str, Any]]:
    """Run `work` with a logger of its own, and return its lines."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.Logger("test")  # noqa: LOG001 (no other test must see it)
    logger.addHandler(handler)
    work(logger)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_lines_have_the_ids_of_the_blocks_around_them() -> None:
    def work(logger: logging.Logger) -> None:
        logger.warning("before")
        with log_ids(run_id="r1", account_id=None), log_ids(post_id="p1"):
            bind_log_ids(attempt=2)
            logger.warning("inside")
        logger.warning("after")

    before, inside, after = write(work)
    assert (inside["run_id"], inside["post_id"], inside["attempt"]) == ("r1", "p1", 2)
    assert "account_id" not in inside
    assert not {"run_id", "post_id", "attempt"} & (set(before) | set(after))
    assert (inside["level"], inside["logger"], inside["message"]) == ("warning", "test", "inside")
    assert inside["time"].endswith("+00:00")


def test_tasks_keep_the_ids_they_were_started_with() -> None:
    seen = {}

    async def send(name: str) -> None:
        bind_log_ids(attempt=1)
        await asyncio.sleep(0)
        seen[name] = dict(current_log_ids())

    async def publish() -> None:
        async with asyncio.TaskGroup() as tasks:
            for name in ("a", "b"):
                with log_ids(publication_id=name):
                    tasks.create_task(send(name))
        assert dict(current_log_ids()) == {}

    asyncio.run(publish())
    assert seen == {name: {"publication_id": name, "attempt": 1} for name in ("a", "b")}


@given(st.text())
def test_any_message_is_one_line(message: str) -> None:
    (line,) = write(lambda logger: logger.warning("%s", message))
    assert line["level"] == "warning"


def test_an_error_is_in_the_line_with_its_traceback() -> None:
    def work(logger: logging.Logger) -> None:
        try:
            int("boom\nforged line")
        except ValueError:
            logger.exception("failed")

    (line,) = write(work)
    assert line["error"] == "ValueError"
    assert "test_logs.py" in line["traceback"]


def test_the_setting_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(make_formatter(), PrintableFormatter)
    handler = logging.StreamHandler(io.StringIO())
    logger = logging.getLogger("tests.of.others")
    logger.addHandler(handler)
    try:
        reformat_logs()
        assert handler.formatter is None
        monkeypatch.setenv("SOCIALFLOW_LOG_FORMAT", "json")
        assert isinstance(make_formatter(), JsonFormatter)
        # Only this handler: those of the test run belong to pytest.
        monkeypatch.setattr(logging.Logger.manager, "loggerDict", {"tests.of.others": logger})
        monkeypatch.setattr(logging.getLogger(), "handlers", [])
        reformat_logs()
        assert isinstance(handler.formatter, JsonFormatter)
        monkeypatch.setenv("SOCIALFLOW_LOG_FORMAT", "xml")
        with pytest.raises(ValueError, match="log_format"):
            make_formatter()
    finally:
        logger.removeHandler(handler)
