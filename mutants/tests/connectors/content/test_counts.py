import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.content.counts import read_count, sum_counts


@given(st.integers())
def test_a_number_and_its_digits_are_the_same(count: int) -> None:
    assert read_count(count) == read_count(str(count)) == count


def test_what_is_not_reported_is_not_zero() -> None:
    assert read_count(None) is None
    assert read_count(0) == read_count("0") == read_count(0.0) == 0


@pytest.mark.parametrize("value", ["", "many", "1.5", 1.5, float("nan"), True, [1], {"value": 1}])
def test_what_is_no_count_is_an_answer_that_we_do_not_know(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        read_count(value)


def test_a_sum_of_what_is_known() -> None:
    assert sum_counts(None, 2, None, 3) == 5
    assert sum_counts(None, None) is None
    assert sum_counts() is None
