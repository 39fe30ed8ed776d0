from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from warehouse.errors import ConflictError
from warehouse.store.access.api_keys import create_api_key
from warehouse.store.access.workspaces import create_workspace, ensure_default_workspace, list_workspaces
from warehouse.store.posts.idempotency import (
    KEPT_FOR,
    LEASE,
    RepeatableRequest,
    StoredAnswer,
    StoreSession,
    answer_once,
    keep_answer,
    release,
    reserve,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.store.database import Store

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ANSWER = StoredAnswer(201, {"Location": "/there"}, b'{"made":1}')


@pytest.fixture
def request_(any_store: Store) -> RepeatableRequest:
    with any_store.write() as session:
        workspace = ensure_default_workspace(session, NOW)
        key = create_api_key(session, any_store.cipher, workspace.id, "test", ["write"], NOW)
    return RepeatableRequest(workspace.id, key.row.id, "POST /posts", "key-1", "body-1")


def make_workspace(name: str) -> Callable[[StoreSession], StoredAnswer]:
    def work(session: StoreSession) -> StoredAnswer:
        create_workspace(session, workspace_id=name, name=name, now=NOW)
        return ANSWER

    return work


def count_workspaces(store: Store) -> int:
    with store.read() as session:
        return len(list_workspaces(session)) - 1


def test_a_repetition_is_answered_and_not_done(any_store: Store, request_: RepeatableRequest) -> None:
    assert answer_once(any_store, request_, make_workspace("one"), NOW) == (ANSWER, False)
    assert answer_once(any_store, request_, make_workspace("two"), NOW) == (ANSWER, True)
    assert count_workspaces(any_store) == 1


def test_many_at_once_do_it_once(any_store: Store, request_: RepeatableRequest) -> None:
    def call(number: int) -> bool:
        return answer_once(any_store, request_, make_workspace(f"ws{number}"), NOW)[1]

    with ThreadPoolExecutor(16) as threads:
        replayed = list(threads.map(call, range(40)))
    assert replayed.count(False) == 1
    assert count_workspaces(any_store) == 1


def test_a_failure_stores_nothing(any_store: Store, request_: RepeatableRequest) -> None:
    def fail(session: StoreSession) -> StoredAnswer:
        create_workspace(session, workspace_id="lost", name="lost", now=NOW)
        raise ConflictError("no")

    with pytest.raises(ConflictError, match="no"):
        answer_once(any_store, request_, fail, NOW)
    assert count_workspaces(any_store) == 0
    assert answer_once(any_store, request_, make_workspace("one"), NOW) == (ANSWER, False)


def test_another_body_with_the_same_key_is_refused(any_store: Store, request_: RepeatableRequest) -> None:
    answer_once(any_store, request_, make_workspace("one"), NOW)
    with pytest.raises(ConflictError) as raised:
        answer_once(any_store, replace(request_, body_hash="body-2"), make_workspace("two"), NOW)
    assert raised.value.code == "idempotency_key_reused"


@pytest.mark.parametrize("difference", [{"key": "key-2"}, {"route": "POST /other"}])
def test_keys_are_apart_by_key_and_route(
    any_store: Store, request_: RepeatableRequest, difference: dict[str, str]
) -> None:
    answer_once(any_store, request_, make_workspace("one"), NOW)
    other = replace(request_, **difference)
    assert answer_once(any_store, other, make_workspace("two"), NOW) == (ANSWER, False)


def test_every_step_finds_the_answer_of_its_own_key_and_route(
    any_store: Store, request_: RepeatableRequest
) -> None:
    """One key on several routes, several keys on one: each is reserved, answered, repeated and released by itself."""
    requests = [
        request_,
        replace(request_, route="POST /media"),
        replace(request_, key="key-2"),
        replace(request_, route="POST /media", key="key-2"),
    ]
    answers = [
        StoredAnswer(201, {"Location": f"/{number}"}, b'{"n":%d}' % number) for number in range(len(requests))
    ]
    for request in requests:
        assert reserve(any_store, request, NOW) is None
    for request, answer in zip(requests, answers, strict=True):
        keep_answer(any_store, request, answer)
    assert [reserve(any_store, request, NOW) for request in requests] == answers
    others = [replace(request, key=f"{request.key}-again") for request in requests]
    for other in others:
        assert reserve(any_store, other, NOW) is None
    release(any_store, others[0])
    assert reserve(any_store, others[0], NOW) is None
    for other in others[1:]:
        with pytest.raises(ConflictError) as caught:
            reserve(any_store, other, NOW)
        assert caught.value.code == "idempotency_in_flight"


def test_an_answer_is_kept_for_a_day(any_store: Store, request_: RepeatableRequest) -> None:
    answer_once(any_store, request_, make_workspace("one"), NOW)
    almost = NOW + KEPT_FOR - timedelta(seconds=1)
    assert answer_once(any_store, request_, make_workspace("two"), almost)[1]
    assert not answer_once(any_store, request_, make_workspace("two"), NOW + KEPT_FOR)[1]


def test_across_a_platform_call(any_store: Store, request_: RepeatableRequest) -> None:
    assert reserve(any_store, request_, NOW) is None
    with pytest.raises(ConflictError) as raised:
        reserve(any_store, request_, NOW)
    assert raised.value.code == "idempotency_in_flight"
    keep_answer(any_store, request_, ANSWER)
    assert reserve(any_store, request_, NOW) == ANSWER


def test_a_released_or_orphaned_key_is_free_again(any_store: Store, request_: RepeatableRequest) -> None:
    reserve(any_store, request_, NOW)
    release(any_store, request_)
    assert reserve(any_store, request_, NOW) is None
    # Whoever held it died: after the lease the next one may try.
    assert reserve(any_store, request_, NOW + LEASE) is None
    keep_answer(any_store, request_, ANSWER)
    release(any_store, request_)
    assert reserve(any_store, request_, NOW + LEASE) == ANSWER
