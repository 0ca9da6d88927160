import pytest

from deft_sweeps.errors import ConfigError
from deft_sweeps.specification.yaml_document import read


def test_values_and_places() -> None:
    document = read("a: 1e-3\nb: &x {c: 5e-4, d: [true, ~]}\ne:\n  <<: *x\n  c: no\n", "f.yaml")
    assert document.data == {
        "a": 1e-3,
        "b": {"c": 5e-4, "d": [True, None]},
        "e": {"c": "no", "d": [True, None]},
    }
    assert document.at(("a",)) == "f.yaml:1:4"
    assert document.at(("b", "d", 1)) == "f.yaml:2:27"
    assert document.at(("e", "d")) == "f.yaml:2:20", "merged values stand where the anchor is"
    assert document.at(("e", "c"), key=True) == "f.yaml:5:3"


def test_a_validators_own_steps_are_left_out() -> None:
    document = read("a:\n  - {b: 1}\n", "f.yaml")
    assert document.path(("a", "<list>", 0, "<member>", "b", "<value>")) == ("a", 0, "b")
    assert document.at(("a", 0, "missing")) == document.at(("a", 0))


def test_every_duplicate_tag_and_endless_alias_is_told_and_the_rest_is_read() -> None:
    document = read(
        "a: 1\na: 2\nb: !!python/object:os.system x\nc: &c [*c]\nd: {e: 1, e: 2}\n", "f.yaml"
    )
    assert [problem.where for problem in document.problems] == [
        "f.yaml:2:1",
        "f.yaml:3:4",
        "f.yaml:4:4",
        "f.yaml:5:11",
    ]
    assert document.data == {"a": 1, "b": None, "c": [None], "d": {"e": 1}}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [1,", "f.yaml:1"),
        ("a: b: c", "f.yaml:1:5"),
        ("a: 1\n---\nb: 2", "f.yaml:3:1"),
        ("", "f.yaml:1:1"),
        ("a: \x00", "f.yaml"),
    ],
)
def test_not_yaml(text: str, place: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text, "f.yaml")
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].where.startswith(place)


def test_aliases_of_aliases_do_not_fill_the_memory() -> None:
    lines = ["a0: &a0 [x]"] + [
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)
    ]
    with pytest.raises(ConfigError, match="at most"):
        read("\n".join(lines), "f.yaml")
