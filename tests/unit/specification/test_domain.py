import pytest
from hypothesis import given
from hypothesis import strategies as st

from deft_sweeps.specification.domain import (
    Categorical,
    Const,
    Domain,
    Float,
    Int,
    contains,
    ends,
    middle,
    show,
)
from deft_sweeps.specification.search_settings import Budget, Search


@given(
    st.sampled_from(
        [
            Float(0.1, 3.0),
            Float(1e-7, 1e-2, log=True),
            Int(1, 9),
            Int(2, 64, log=True),
            Categorical((1, "a", None)),
            Const(True),
        ]
    )
)
def test_ends_and_middle_are_of_the_domain(domain: Domain) -> None:
    assert all(contains(domain, value) for value in (*ends(domain), middle(domain)))
    assert show(domain)


def test_middle_of_a_log_range_is_geometric() -> None:
    assert middle(Float(1e-4, 1e-2, log=True)) == pytest.approx(1e-3)
    assert middle(Int(1, 100, log=True)) == 10
    assert middle(Int(1, 4)) == 2


def test_true_is_not_one() -> None:
    assert not contains(Categorical((1, 2)), True)
    assert not contains(Const(0), False)
    assert not contains(Int(0, 3), True)


@pytest.mark.parametrize(
    ("of", "arguments"),
    [
        (Float, (2.0, 1.0)),
        (Float, (float("nan"), 1.0)),
        (Int, (1, 1)),
        (Categorical, ((),)),
        (Categorical, ((1, 1),)),
        (Budget, (0,)),
        (Budget, (1, 0.0)),
        (Budget, (1, None, 0)),
        (Search, ("tpe", -1)),
    ],
)
def test_impossible_settings(of: type[object], arguments: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        of(*arguments)
