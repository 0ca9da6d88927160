import pytest

from deft_sweeps.errors import ConfigError
from deft_sweeps.specification.spec_reader import parse_spec
from deft_sweeps.specification.template_check import template_problem

SPEC = """name: x
task:
  kind: files
  path: a.csv
  template: "{}"
space: {{}}
budget: {{trials: 1}}
"""


@pytest.mark.parametrize(
    ("template", "paired", "words"),
    [
        ("Say: {txt}", False, "expected {text} where the text goes, got {txt} (did you mean {tex"),
        ("Say: {text1}", False, "got {text1} (did you mean {text}?)"),
        ("Say: {Text}", False, "got {Text} (did you mean {text}?)"),
        ("Say: { text }", False, "got { text } (did you mean {text}?)"),
        ("Say: {label}", False, "got {label} (did you mean {text}?)"),
        ("Say: {text} {label}", False, "got {label} (take it out)"),
        ("a: {text} b: {text2}", True, "got {text2} (did you mean {text_pair}?)"),
        ("a: {text} b: {textpair}", True, "got {textpair} (did you mean {text_pair}?)"),
        ("Say: {text", False, "and braces in pairs; got 'Say: {text'"),
        ("Say: text}", False, "braces in pairs"),
        ("Say: {text} :-}", False, "braces in pairs"),
        ("Say it", False, "expected a template with {text} where the text goes, got 'Say it'"),
        ("Say: {text}", True, "{text_pair} where the second one goes, since text_pair is set"),
        ("Say: {text} {text_pair}", False, "and no text_pair is set: name its column"),
        ("", False, "expected a template with {text}"),
    ],
)
def test_one_problem_says_what_was_expected(template: str, paired: bool, words: str) -> None:
    assert words in template_problem(template, paired=paired)
    text = SPEC.format(template).replace("a.csv", "a.csv\n  text_pair: b" if paired else "a.csv")
    with pytest.raises(ConfigError) as raised:
        parse_spec(text, "x.yaml")
    (problem,) = raised.value.problems
    assert problem.where == f"x.yaml:{6 if paired else 5}:13"
    assert words in problem.what


@pytest.mark.parametrize(
    ("template", "paired"),
    [
        ("{text}", True),
        ("{text}", False),
        ("Classify: {text}", False),
        ("a: {text} b: {text_pair}", True),
        ('{"input": "{text}", "n": {}}', False),
        ("{text} is {one of two}", False),
    ],
)
def test_braces_that_hold_no_single_word_are_text(template: str, paired: bool) -> None:
    assert template_problem(template, paired=paired) == ""


def test_other_problems_of_the_task_are_told_besides() -> None:
    text = SPEC.format("{txt}").replace("a.csv", "a.csv\n  max_input_tokens: 1\n  metric: acc")
    with pytest.raises(ConfigError) as raised:
        parse_spec(text, "x.yaml")
    assert [problem.where for problem in raised.value.problems] == [
        "x.yaml:5:21",
        "x.yaml:6:11",
        "x.yaml:7:13",
    ]
