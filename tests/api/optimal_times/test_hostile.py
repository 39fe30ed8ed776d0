"""Odd questions about times: each gets an answer, or a refusal that names the field; none fails, none stores anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.api.optimal_times.test_advice import OPTIMAL, SCORE, SUGGEST, advise

if TYPE_CHECKING:
    from tests.api.harness import Tenant

LONG = "x" * 5000
READ: list[tuple[str, dict[str, Any]]] = [
    *((OPTIMAL, {"limit": value}) for value in ("0", "-1", "169", "1e3", "NaN", "9" * 40, "", "1.5", " 3")),
    *(
        (OPTIMAL, {"timezone": value})
        for value in ("", "europe/berlin", "+02:00", "../etc", LONG, "\0", "localtime", "UTC\n")
    ),
    *((OPTIMAL, {"platform": value}) for value in ("", "nope", LONG, "twitter,mastodon", "\0")),
    *((OPTIMAL, {"account_id": value}) for value in ("", "acct_none", LONG, "\0", "'; DROP TABLE x")),
    *((OPTIMAL, {"weight": value}) for value in ("", "acct:NaN", "x=1", "a:-1", "a:1e400", LONG)),
    *((OPTIMAL, {"cursor": value}) for value in ("", "junk", LONG)),
    *(
        (SCORE, {"at": value})
        for value in (
            "",
            "now",
            "optimal",
            "9999-12-31T23:59:59-14:00",
            "0001-01-01T00:00:00+14:00",
            "1e99",
            "2026-02-30T10:00",
            "2026-03-29T02:30:00",
            "99999-01-01",
            LONG,
            "\0",
        )
    ),
    (SCORE, {}),
    (SCORE, {"at": "2026-03-29T02:30:00", "timezone": "Europe/Berlin"}),
    (SCORE, {"at": "2011-12-30T12:00:00", "timezone": "Pacific/Apia"}),
    (SCORE, {"at": "2026-03-05T10:00:00Z", "platform": "nope"}),
]
WROTE: list[tuple[str, dict[str, Any] | list[Any] | str]] = [
    *((SUGGEST, {"count": value}) for value in (0, -1, 10**30, 1.5, True, "3", None, "NaN")),
    (SUGGEST, {}),
    (SUGGEST, []),
    (SUGGEST, "x"),
    (SUGGEST, {"count": 2, "to": "0001-01-01T00:00:00Z"}),
    (SUGGEST, {"count": 2, "to": "9999-12-31T23:59:59Z"}),
    (SUGGEST, {"count": 2, "from": "2026-03-10T00:00:00Z", "to": "2026-03-05T00:00:00Z"}),
    (SUGGEST, {"count": 2, "timezone": "Nope/Zone"}),
    (SUGGEST, {"count": 2, "account_ids": ["acct_none"]}),
    (SUGGEST, {"count": 2, "account_ids": "acct_none"}),
    (SUGGEST, {"count": 2, "platforms": ["twitter", "twitter"]}),
    (SUGGEST, {"count": 2, "platforms": [None]}),
    (SUGGEST, {"count": 2, "weights": {"acct_none": -1}}),
    (SUGGEST, {"count": 2, "gap_minutes": -5}),
    (SUGGEST, {"count": 2, "unknown": 1}),
    *(
        ("/api/v1/posts", {"content": "tea", "platforms": ["twitter"], "scheduled_at": value})
        for value in ("optimal ", "OPTIMAL", "optimal\0", "optimally", 5, {"at": "optimal"}, ["optimal"], "")
    ),
    ("/api/v1/posts", {"content": "tea", "platforms": [], "scheduled_at": "optimal"}),
    (
        "/api/v1/posts",
        {"content": "tea", "platforms": ["twitter"], "scheduled_at": "optimal", "timezone": "Nope/Zone"},
    ),
    (
        "/api/v1/posts",
        {"content": "tea", "platforms": ["twitter"], "scheduled_at": "optimal", "experiment": "maybe"},
    ),
]


def test_every_odd_question_is_answered_or_refused_by_its_field(tenant: Tenant) -> None:
    advise(tenant, "twitter-user", {(1, 18): 0.14, (2, 9): 0.1})
    faults = []
    for path, asked in [*READ, *WROTE]:
        wrote = (path, asked) in WROTE
        answer = (
            tenant.client.post(path, json=asked) if wrote else tenant.client.get(path, params=asked)  # type: ignore[arg-type]
        )
        shown = f"{path} {str(asked)[:90]}: {answer.status_code} {answer.text[:250]}"
        print(shown)
        if answer.status_code == 422:
            errors = answer.json().get("errors") or [answer.json()]
            if not all(
                error.get("pointer") or error.get("field") or error.get("parameter") for error in errors
            ):
                faults.append(shown)
        elif answer.status_code not in {200, 201, 400, 404, 409}:
            faults.append(shown)
    assert not faults, "\n".join(faults)
