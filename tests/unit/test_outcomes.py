import pytest

from deft_sweeps.outcomes import Outcomes


def test_numbers_are_read_back() -> None:
    made = Outcomes.of([1, 0, 2], [0.25, 3.0, -1e-7])
    assert made == Outcomes(predictions="1 0 2", references="0.25 3 -1e-07")
    assert made.read() == ((1.0, 0.0, 2.0), (0.25, 3.0, -1e-7))


def test_counts_must_agree() -> None:
    with pytest.raises(ValueError, match="as many predictions as references"):
        Outcomes(predictions="1 0", references="1")
    with pytest.raises(ValueError, match="one at least"):
        Outcomes.of([], [])
