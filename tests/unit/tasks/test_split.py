import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from deft_sweeps.config.data import Splits
from deft_sweeps.tasks.examples import Example, read_rotten_tomatoes
from deft_sweeps.tasks.plain_text import plain
from deft_sweeps.tasks.split import Examples, draw

words = st.sampled_from(
    ["Fine.", "fine.", " fine. ", "dull", "DULL", "odd one", "odd  one", "new", "long", "short"]
)
examples = st.lists(
    st.builds(Example, words, st.sampled_from(["yes", "no"]), st.sampled_from("abcdefgh")),
    max_size=40,
)
sizes = st.one_of(st.none(), st.integers(1, 12))
shares = st.builds(Splits, train=sizes, validation=sizes, test=sizes, seed=st.integers(0, 3))
own = st.one_of(st.none(), examples)


def parts(splits: Examples) -> tuple[list[Example], list[Example], list[Example]]:
    return splits.train, splits.validation, splits.test


def assert_disjoint(splits: Examples) -> None:
    for key in (lambda e: plain(e.text), lambda e: e.group):
        train, validation, test = ({key(example) for example in part} for part in parts(splits))
        assert not train & (validation | test)
        assert not validation & test


@given(examples, shares)
def test_no_two_splits_share_a_group_or_a_text(rows: list[Example], splits: Splits) -> None:
    drawn = draw(rows, splits)
    assert_disjoint(drawn)
    for part, size in zip(
        parts(drawn), (splits.train, splits.validation, splits.test), strict=True
    ):
        assert size is None or len(part) <= size
        assert all(example in rows for example in part)


@given(examples, shares, own, own)
def test_files_of_their_own_share_nothing_either(
    rows: list[Example],
    splits: Splits,
    validation: list[Example] | None,
    test: list[Example] | None,
) -> None:
    drawn = draw(rows, splits, validation, test)
    assert_disjoint(drawn)
    if test is not None:
        assert sorted(map(repr, drawn.test)) == sorted(map(repr, test)) or (
            splits.test is not None and len(drawn.test) == splits.test
        )


@given(examples, shares, st.randoms(use_true_random=False))
def test_the_order_of_the_file_does_not_matter(
    rows: list[Example], splits: Splits, shuffler: random.Random
) -> None:
    shuffled = list(rows)
    shuffler.shuffle(shuffled)
    assert draw(shuffled, splits) == draw(rows, splits)


@given(examples, shares)
def test_train_has_every_class_that_is_measured(rows: list[Example], splits: Splits) -> None:
    """Also of rows of one group and of texts that other groups have as well, if any row is left."""
    drawn = draw(rows, splits, by_class=True)
    assert_disjoint(drawn)
    measured = {row.label for row in (*drawn.validation, *drawn.test)}
    trained = {row.label for row in drawn.train}
    assert measured <= trained or splits.train == 1


@given(examples, shares, own, own)
def test_draws_without_rare_classes_are_what_they_were(
    rows: list[Example],
    splits: Splits,
    validation: list[Example] | None,
    test: list[Example] | None,
) -> None:
    plainly = draw(rows, splits, validation, test)
    if {row.label for row in rows} == {row.label for row in plainly.train} and validation is None:
        assert draw(rows, splits, validation, test, by_class=True) == plainly


@given(examples, sizes, sizes, sizes)
def test_reserved_rows_keep_the_test_split_independent(
    rows: list[Example], train: int | None, validation: int | None, test: int | None
) -> None:
    one = draw(rows, Splits(test=test), by_class=True)
    other = Splits(train=train, validation=validation, test=test)
    assert draw(rows, other, by_class=True).test == one.test


@given(examples, shares, sizes, sizes)
def test_the_test_split_depends_on_no_other_size(
    rows: list[Example], splits: Splits, train: int | None, validation: int | None
) -> None:
    other = replace(splits, train=train, validation=validation)
    assert draw(rows, other).test == draw(rows, splits).test


def test_the_packaged_splits() -> None:
    rows = read_rotten_tomatoes()
    drawn = draw(rows, Splits())
    assert drawn == draw(rows, Splits(), by_class=True)
    assert_disjoint(drawn)
    assert (len(drawn.validation), len(drawn.test)) == (600, 2561)
    assert len(drawn.train) > 9000
    for part in parts(drawn):
        assert 0.5 < sum(example.label == "positive" for example in part) / len(part) < 0.65
    assert draw(rows, Splits(seed=1)).test != drawn.test


def test_a_smaller_training_split_is_the_front_of_the_larger_one() -> None:
    rows = read_rotten_tomatoes()
    assert draw(rows, Splits(train=200)).train == draw(rows, Splits()).train[:200]
