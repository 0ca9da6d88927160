import pytest

from deft_sweeps.errors import ConfigError
from deft_sweeps.specification.spec_reader import parse_spec
from deft_sweeps.specification.sweep_file import parse_parts

TWO = (
    "# first\nname: a\nspace: {}\nbudget: {trials: 1}\n---\n# second\nname: b\nspace: {density:"
    " [none, loss]}\nbudget: {trials: 2}\n"
)


def test_each_part_is_a_spec_of_its_own() -> None:
    first, second = parse_parts(TWO, "x.yaml")
    assert (first.spec.name, second.spec.name) == ("a", "b")
    assert (len(first.spec.combinations), len(second.spec.combinations)) == (1, 2)
    assert second.where.startswith("x.yaml:7:")
    for part in (first, second):
        assert parse_spec(part.text, "x.yaml") == part.spec
        assert part.document.at(("budget",)).startswith(f"x.yaml:{4 if part is first else 9}:")
    assert second.text.startswith("# second")


def test_one_spec_is_one_part() -> None:
    (part,) = parse_parts(TWO.partition("---")[0] + "---\n", "x.yaml")
    assert part.spec.name == "a"
    assert part.where == "x.yaml"


def test_problems_of_every_part_carry_the_files_lines() -> None:
    bad = (
        TWO.replace("trials: 1", "trails: 1")
        .replace("name: b", "name: a")
        .replace("trials: 2", "trials: 0")
    )
    with pytest.raises(ConfigError) as caught:
        parse_parts(bad, "x.yaml")
    assert sorted({int(problem.where.split(":")[1]) for problem in caught.value.problems}) == [
        4,
        7,
        9,
    ]
    assert "the name a was given in line 2" in str(caught.value)


def test_where_one_is_wanted_several_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"x\.yaml:7:1: expected one sweep, got 2"):
        parse_spec(TWO, "x.yaml")
