"""Numbers with units: what is printed, what is read, and what is refused."""

from typing import get_args

import pytest

from deft_sweeps.units import (
    EXAMPLES,
    UNITS,
    Dimension,
    count,
    duration,
    gpu_part,
    parse_quantity,
    quantity,
)

DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)


@pytest.mark.parametrize(
    ("value", "dimension", "text"),
    [
        (0.31649, "share", "0.316"),
        (-0.5, "share", "-0.500"),
        (0.0004, "share", "4.0e-04"),
        (0.0, "share", "0.000"),
        (512, "bytes", "512 B"),
        (155_000_000, "bytes", "147.8 MiB"),
        (1.5 * 2**30, "bytes", "1.50 GiB"),
        (0.034, "seconds", "34 ms"),
        (12.34, "seconds", "12.3 s"),
        (344_064, "number", "344,064"),
        (0.123456, "number", "0.1235"),
    ],
)
def test_a_value_has_its_unit(value: float, dimension: Dimension, text: str) -> None:
    assert quantity(value, dimension) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "5 s"), (40.2, "40 s"), (700, "12 min"), (12600, "3 h 30 min"), (10860, "3 h 1 min")],
)
def test_a_duration_has_the_precision_worth_saying(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_every_unit_of_a_dimension_is_read_and_no_other(dimension: Dimension) -> None:
    for unit, factor in UNITS[dimension].items():
        assert parse_quantity(f"2.5 {unit}", dimension, "it") == 2.5 * factor
    assert parse_quantity("2.5", dimension, "it") == 2.5
    assert parse_quantity(EXAMPLES[dimension], dimension, "it") > 0
    others = {unit for other in DIMENSIONS for unit in UNITS[other]} - set(UNITS[dimension])
    for unit in others:
        with pytest.raises(ValueError, match=f"no unit '{unit}' for it"):
            parse_quantity(f"2.5 {unit}", dimension, "it")


@pytest.mark.parametrize("text", ["", "MiB", "1 2", "one"])
def test_text_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a number with an optional unit"):
        parse_quantity(text, "bytes", "it")


def test_a_number_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a finite number"):
        parse_quantity("1e999", "bytes", "it")


def test_one_thing_is_singular() -> None:
    assert [count(n, "row") for n in (0, 1, 2, 1200)] == ["0 rows", "1 row", "2 rows", "1,200 rows"]
    assert count(1, "class", "classes") == "1 class"
    assert count(3, "class", "classes") == "3 classes"


def test_a_part_of_a_gpu_is_a_fraction_if_it_is_one() -> None:
    words = [gpu_part(share) for share in (1.0, 0.5, 1 / 3, 1 / 7, 0.3, 0.75)]
    assert words == [
        "a whole GPU",
        *(f"{part} of a GPU" for part in ("1/2", "1/3", "1/7", "0.3", "0.75")),
    ]
