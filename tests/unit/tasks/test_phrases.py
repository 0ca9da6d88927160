from hypothesis import given
from hypothesis import strategies as st

from deft_sweeps.config.data import Splits
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.phrases import sentences
from deft_sweeps.tasks.split import draw

texts = st.lists(
    st.lists(st.sampled_from(["a", "b", "ab", "c"]), max_size=9).map(" ".join), max_size=25
)


def holds(whole: str, part: str) -> bool:
    """Whether the words of one are in a row in the other, by looking at every place."""
    longer, shorter = whole.split(), part.split()
    return any(
        longer[i : i + len(shorter)] == shorter for i in range(len(longer) - len(shorter) + 1)
    )


@given(texts)
def test_each_text_has_a_sentence_that_holds_it_and_is_in_no_other(rows: list[str]) -> None:
    of = sentences(rows)
    for i, text in enumerate(rows):
        assert holds(rows[of[i]], text)
        assert of[of[i]] == of[i]
        own = of[i] == i
        longer = [
            other for other in rows if len(other.split()) > len(text.split()) and holds(other, text)
        ]
        assert not text or own == (not longer and rows.index(text) == i)


def test_phrases_go_with_their_sentence() -> None:
    rows = [
        "a warm , funny film",
        "funny film",
        "warm",
        "no film at all",
        "film",
        "a warm , funny film",
        "at all",
    ]
    assert sentences(rows) == [0, 0, 0, 3, 0, 0, 3]


def test_a_split_that_is_cut_off_is_of_wholes_and_leaves_their_parts_out() -> None:
    rows = [Example(f"whole {i}", "x", f"g{i}") for i in range(20)]
    rows += [
        Example(f"part {i} {j}", "x", f"g{i}", is_part=True)
        for i in range(20)
        for j in range(i % 4)
    ]
    splits = draw(rows, Splits(validation=5, test=None))
    assert (len(splits.validation), len(splits.test)) == (5, 4)
    held = {e.group for e in (*splits.validation, *splits.test)}
    assert not any(e.is_part for e in (*splits.validation, *splits.test))
    assert {(e.group, e.text) for e in splits.train} == {
        (e.group, e.text) for e in rows if e.group not in held
    }
