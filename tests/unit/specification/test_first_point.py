"""First points are read by the rules of the space, and reported in the same words."""

import pytest

from deft_sweeps.errors import ConfigError
from deft_sweeps.specification.spec_reader import parse_spec

SPEC = """name: x
space:
  activation: [pretrained, relu]
  peft: [lora: {r: {low: 4, high: 16}, targets: [q, v]}, adapter, lora: {alpha: 8}]
  density: [none, loss: {weight: {low: 0.1, high: 3}}]
  pruning: [none, wanda: {pattern: {choice: [unstructured, '2:4']}}]
budget: {trials: 9}
"""


def messages(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_spec(text, "x.yaml")
    return [problem.what for problem in caught.value.problems]


def of_point(point: str) -> list[str]:
    return messages(SPEC + f"first: [{point}]\n")


@pytest.mark.parametrize(
    ("axis", "entry"),
    [
        ("peft", "{lora: {rr: 8}}"),
        ("peft", "{lora: {targets: [q, w]}}"),
        ("peft", "{lora: {dora: 3}}"),
        ("density", "{loss: {padding: msk}}"),
        ("density", "{loss: {weight_: 1}}"),
        ("pruning", "{wanda: {pattern: '2:5'}}"),
        ("pruning", "{wanda: {pattern: [1]}}"),
    ],
)
def test_a_mistake_reads_as_it_does_in_the_space(axis: str, entry: str) -> None:
    (in_point,) = of_point(f"{{{axis}: {entry}}}")
    (in_space,) = messages(f"name: x\nspace: {{{axis}: [{entry}]}}\nbudget: {{trials: 9}}\n")
    assert in_point == in_space.replace(", or {low, high}, or {choice: [...]}", "")


@pytest.mark.parametrize("value", ["8.0", "8.5", "true", "'8'", "null", "{low: 4, high: 8}"])
def test_a_value_has_the_type_of_its_setting(value: str) -> None:
    (what,) = of_point(f"{{peft: {{lora: {{r: {value}}}}}}}")
    assert what.startswith("expected a whole number, got ")


def test_a_number_is_finite() -> None:
    assert of_point("{density: {loss: {weight: .inf}}}") == [
        "expected a finite number, got Infinity"
    ]


def test_a_member_is_one_of_the_space() -> None:
    for entry in ("{peft: ia3}", "{peft: {ia3: {}}}"):
        (what,) = of_point(entry)
        names, _, rest = what.removeprefix("expected one of ").partition(" in this space, ")
        assert set(names.split(", ")) == {"lora", "adapter", "lora-2"}, what
        assert rest.startswith(("got", "by name or as a mapping of the name to its settings"))
    (what,) = of_point("{activation: rleu}")
    assert what == 'expected one of pretrained, relu in this space, got "rleu" (did you mean relu?)'


def test_every_mistake_of_a_point_is_reported_at_once() -> None:
    point = "{activation: x, peft: {lora: {r: 99, rr: 1, alpha: 9}}, density: {loss: {weight: y}}}"
    assert [what.split(", got")[0] for what in of_point(point)] == [
        "expected one of pretrained, relu in this space",
        "expected r in its domain, 4 to 16",
        (
            "unknown key `rr` of lora; expected one of r, alpha, dropout, targets, rslora, dora,"
            " masked (did you mean r?)"
        ),
        "alpha is not open in this space: it is fixed at 16",
        "expected a number",
    ]


def test_values_are_of_their_settings_type() -> None:
    first = "first: [{peft: lora-2, density: {loss: {weight: 1}}, pruning: {wanda: {}}}]\n"
    (point,) = parse_spec(SPEC + first, "x.yaml").first
    assert point.combination == "pretrained lora-2 loss none none wanda"
    assert point.values == {"density.loss.weight": 1.0, "pruning.wanda.pattern": "unstructured"}
    assert isinstance(point.values["density.loss.weight"], float)
