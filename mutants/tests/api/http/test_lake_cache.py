"""An answer is made once, however many ask; a failure is nobody's answer for good."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.http import lake_cache as answer_cache
from api.http.lake_cache import AnswerCache

CLIENTS = 8


def test_those_who_ask_meanwhile_get_the_same_answer() -> None:
    cache, made, everyone = AnswerCache(), [], threading.Barrier(CLIENTS)

    def make() -> bytes:
        made.append(1)
        # The others have asked by now, or will find it made.
        everyone.wait(timeout=10)
        return b"answer"

    def ask(number: int) -> bytes:
        if number:
            everyone.wait(timeout=10)
        return cache.get_or_make("tag", make)

    with ThreadPoolExecutor(CLIENTS) as pool:
        assert set(pool.map(ask, range(CLIENTS))) == {b"answer"}
    assert len(made) == 1


def test_a_failure_is_told_and_not_kept() -> None:
    cache = AnswerCache()

    def fail() -> bytes:
        raise LookupError("not now")

    with pytest.raises(LookupError):
        cache.get_or_make("tag", fail)
    assert cache.get_or_make("tag", lambda: b"now") == b"now"
    assert cache.get_or_make("tag", fail) == b"now"


def test_the_one_unused_for_longest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_cache, "_MOST_BYTES", 10)
    cache = AnswerCache()
    for tag in ("a", "b"):
        cache.get_or_make(tag, lambda: b"12345")
    cache.get_or_make("a", lambda: b"never")
    cache.get_or_make("c", lambda: b"12345")
    assert cache.get_or_make("a", lambda: b"made anew") == b"12345"
    assert cache.get_or_make("b", lambda: b"made anew") == b"made anew"
