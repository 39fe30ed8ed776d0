"""The advised week: how slots of several accounts are ranked, and weights as people write them."""

from __future__ import annotations

import pytest

from warehouse.errors import InvalidInputError
from warehouse.scheduling.advised_week import rank_across_accounts
from warehouse.scheduling.suggestions import parse_weights


def test_each_accounts_best_comes_before_any_second_best() -> None:
    rows = [
        {"account_id": account, "expected_lift": lift}
        for account, lift in (("a", 0.5), ("a", 0.4), ("b", 0.1), ("b", 0.05))
    ]
    picked = [(one["account_id"], one["expected_lift"]) for one in rank_across_accounts(rows, 3)]
    assert picked == [("a", 0.5), ("b", 0.1), ("a", 0.4)]


def test_weights_are_read_by_platform() -> None:
    assert parse_weights(["x:2", "instagram:0.5"]) == {"twitter": 2.0, "instagram": 0.5}


@pytest.mark.parametrize(
    "value", ["instagram", "instagram:", "instagram:0", "instagram:nan", "instagram:1001"]
)
def test_a_weight_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_weights([value])
    assert (refused.value.code, refused.value.field) == ("invalid_weight", "weight")
