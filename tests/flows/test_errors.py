"""Errors of flows survive pickling, as Prefect does to the error of a run, with their reasons."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest

from flows import errors
from warehouse.store.leases.flow_leases import LeaseHolder

EXAMPLES = [
    errors.PartlyFailedError("reading metrics", {"twitter @ada (acct_1)": "the token was revoked"}, of=3),
    errors.OddAnswerError(["post 1: likes is 'x', not a count"] * 5),
    errors.DoubtfulDataError("reading metrics", {"negative": 2}),
    errors.FlowBusyError("ingest-metrics", LeaseHolder("host:1", datetime(2026, 3, 2, tzinfo=UTC))),
    errors.PortInUseError("API", "127.0.0.1", 8000, "SOCIALFLOW_API_PORT"),
    errors.PublishingBehindError("2 posts are late"),
    errors.NotConnectedError("nobody came back"),
    errors.ChildStartError("the API did not start"),
    errors.DemoError("step 2"),
    errors.AlreadyRunningError("it runs already"),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_can_be_pickled_with_its_reason(error: Exception) -> None:
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 (our own bytes)
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_every_error_is_an_example() -> None:
    found = {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, Exception) and value.__module__ == errors.__name__
    }
    assert found - {type(error) for error in EXAMPLES} == {errors.FlowError}
