"""Every operation of the OpenAPI document has a summary of its own, written by a person."""

from __future__ import annotations

from collections import Counter

from tests.api.operations import DOCUMENT

METHODS = ("get", "post", "put", "patch", "delete")


def test_every_operation_has_a_distinct_summary() -> None:
    operations = [item[method] for item in DOCUMENT["paths"].values() for method in METHODS if method in item]
    assert len(operations) > 70
    summaries = Counter(str(operation.get("summary", "")) for operation in operations)
    assert [summary for summary, count in summaries.items() if count > 1] == []
    for summary in summaries:
        # FastAPI's own summary is the function's name in title case: "Read Account".
        assert summary[:1].isupper(), summary
        assert summary.split()[1:], f"{summary!r} is one word"
        assert not all(word[:1].isupper() for word in summary.split()), (
            f"{summary!r} is derived from a function"
        )
        assert not summary.endswith("."), summary
        assert len(summary) <= 70, summary
