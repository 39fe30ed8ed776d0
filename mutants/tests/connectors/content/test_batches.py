from hypothesis import given
from hypothesis import strategies as st

from connectors.content.batches import split_batches


@given(st.lists(st.text(max_size=3)), st.integers(min_value=1, max_value=5))
def test_each_id_is_in_one_batch_in_its_order(ids: list[str], size: int) -> None:
    batches = list(split_batches(ids, size))
    assert [item for batch in batches for item in batch] == list(dict.fromkeys(ids))
    assert all(len(batch) == size for batch in batches[:-1])
    assert all(1 <= len(batch) <= size for batch in batches)
