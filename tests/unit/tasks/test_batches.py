from collections import Counter
from itertools import islice

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deft_sweeps.tasks.batches import IGNORE, collate, training_order

CLASS_IDS = ((5, 1), (7, 8, 1))
rows = st.lists(
    st.fixed_dictionaries(
        {
            "input_ids": st.lists(st.integers(2, 99), min_size=1, max_size=9),
            "label": st.integers(0, 1),
        }
    ),
    min_size=1,
    max_size=6,
)


@given(rows)
def test_unpadding_a_batch_gives_its_rows(examples: list[dict[str, object]]) -> None:
    batch = collate(examples, CLASS_IDS, pad_id=0)
    assert batch.labels is not None
    for i, row in enumerate(examples):
        real = batch.attention_mask[i].bool()
        assert batch.input_ids[i][real].tolist() == row["input_ids"]
        assert bool((batch.input_ids[i][~real] == 0).all())
        assert (
            tuple(batch.labels[i][batch.labels[i] != IGNORE].tolist())
            == CLASS_IDS[batch.label_class[i]]
        )
        assert batch.label_class[i] == row["label"]
    assert bool(batch.attention_mask.any(0).all())
    assert bool((batch.labels != IGNORE).any(0).all())
    assert {
        t.dtype for t in (batch.input_ids, batch.attention_mask, batch.labels, batch.label_class)
    } == {torch.int64}
    assert (batch.token_type_ids, batch.start, batch.end, batch.example) == (None,) * 4


def test_a_row_s_own_target_is_taught_before_its_class() -> None:
    batch = collate(
        [
            {"input_ids": [3], "label": 1, "target_ids": [9, 1]},
            {"input_ids": [4], "label": 0, "target_ids": [1]},
        ],
        CLASS_IDS,
        0,
    )
    assert batch.labels is not None
    assert batch.labels.tolist() == [[9, 1], [1, IGNORE]]
    assert batch.label_class.tolist() == [1, 0]


def test_a_batch_for_a_head() -> None:
    rows = [
        {
            "input_ids": [2, 5, 3],
            "token_type_ids": [0, 0, 1],
            "start": 1,
            "end": 2,
            "example": 7,
            "begins": [-1, 0, 4],
            "ends": [-1, 3, 6],
        },
        {
            "input_ids": [2],
            "token_type_ids": [0],
            "start": 0,
            "end": 0,
            "example": 7,
            "begins": [-1],
            "ends": [-1],
        },
    ]
    batch = collate(rows, (), pad_id=1)
    assert (batch.labels, batch.label) == (None, None)
    assert batch.input_ids.tolist() == [[2, 5, 3], [2, 1, 1]]
    assert batch.token_type_ids is not None
    assert batch.token_type_ids.tolist() == [[0, 0, 1], [0, 0, 0]]
    assert [t.tolist() for t in (batch.start, batch.end, batch.example) if t is not None] == [
        [1, 0],
        [2, 0],
        [7, 7],
    ]
    with pytest.raises(ValueError, match="got one of a task without"):
        _ = batch.label_class


def test_a_batch_of_numbers() -> None:
    batch = collate([{"input_ids": [2], "label": 1.5}, {"input_ids": [2], "label": 4.0}], (), 0)
    assert batch.label is not None
    assert batch.label.dtype == torch.float32
    assert batch.label.tolist() == [1.5, 4.0]
    assert batch.labels is None


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        collate([], CLASS_IDS, 0)


@given(st.integers(1, 30), st.integers(0, 5), st.integers(0, 100))
def test_an_order_taken_up_goes_on_as_if_it_had_not_stopped(n: int, seed: int, start: int) -> None:
    whole = list(islice(training_order(n, seed), start + 50))
    assert list(islice(training_order(n, seed, start), 50)) == whole[start:]


@given(st.integers(1, 30), st.integers(0, 5))
def test_every_epoch_has_every_example_once(n: int, seed: int) -> None:
    three = list(islice(training_order(n, seed), 3 * n))
    assert Counter(three) == dict.fromkeys(range(n), 3)
    assert set(three[:n]) == set(three[n : 2 * n]) == set(range(n))


def test_seeds_and_epochs_have_orders_of_their_own() -> None:
    first, second = (list(islice(training_order(100, seed), 200)) for seed in (0, 1))
    assert first != second
    assert first[:100] != first[100:]
    assert first == list(islice(training_order(100, 0), 200))
    with pytest.raises(ValueError, match="at least one example"):
        next(training_order(0, 0))
