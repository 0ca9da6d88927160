"""Scores of single examples, packed."""

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deft_sweeps.config.trial import codec
from deft_sweeps.outcomes import ExampleScores, _is_right_or_wrong
from deft_sweeps.result import Point
from tests.samples import point

SCORES = st.lists(st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1)), max_size=20)


@given(SCORES)
def test_every_digit_of_a_score_survives(scores: list[float]) -> None:
    packed = ExampleScores.of(scores)
    assert list(packed) == scores
    assert len(packed) == len(scores)
    read = codec(ExampleScores).validate_json(codec(ExampleScores).dump_json(packed))
    assert list(read) == scores


def test_right_or_wrong_takes_two_bytes_an_example() -> None:
    packed = ExampleScores.of([1.0, 0.0] * 200)
    assert len(packed.line) == 2 * 400 - 1
    assert np.array_equal(packed.array(), [1.0, 0.0] * 200)


@given(st.text("01 5.", max_size=9))
def test_a_line_is_right_or_wrong_exactly_if_it_is_zeros_and_ones(line: str) -> None:
    expected = bool(re.fullmatch("[01](?: [01])*", line))
    assert _is_right_or_wrong(line) is expected


def test_a_list_of_numbers_that_an_earlier_version_wrote_is_read() -> None:
    data = json.loads(codec(Point).dump_json(point(n=3, score=2 / 3)))
    assert data["example_scores"] == "1 1 0"
    data["example_scores"] = [1.0, 1.0, 0.0]
    assert codec(Point).validate_json(json.dumps(data)) == point(n=3, score=2 / 3)


@pytest.mark.parametrize(
    "value", ["1 x", "1  0", " 1", "11 0 1 ", "nan", [1.0, "a"], [True], {"line": "1"}, 3]
)
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="number"):
        codec(ExampleScores).validate_json(json.dumps(value))
