from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deft_sweeps.config.data import FileTask
from deft_sweeps.metrics import METRICS
from deft_sweeps.specification.column_guess import (
    ColumnGuess,
    FileTaskName,
    NamedColumns,
    guess_columns,
)
from deft_sweeps.specification.column_sample import Column
from deft_sweeps.specification.spec_reader import parse_spec
from deft_sweeps.specification.starter import Starter, prompt, starter

N = 40
TEXT = tuple(f"this film number {i} is quite long to watch" for i in range(N))
ODD = [
    "yes", "null", "~", "1", "1.5", "0x10", "2026-01-02", "a: b", "- a", "#a", "a #b", "'", '"',
    "it's", 'say "so"', "{a}", "[a]", "&a", "*a", "!a", "%a", "@a", "|", ">", "é ✓ 好", "\u2028",
    "a\nb", "\t", " ", "\\", "\ufeff", "\x85", "🙂", "<<", "?", "{text}", "{{ x }}", "{% x %}",
]  # fmt: skip
NAMES = st.sampled_from(ODD) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12
)


def made(columns: dict[str, tuple[Any, ...]], path: str = "x.csv", **named: Any) -> Starter:
    sample = [Column(name, values) for name, values in columns.items()]
    task = named.pop("task", None)
    guess = guess_columns(path, sample, NamedColumns(**named), task)
    return starter(path, guess, sample, N)


def read(written: Starter) -> FileTask:
    task = parse_spec(written.text(), "starter.yaml").combinations[0].template.task
    assert isinstance(task, FileTask)
    return task


@settings(max_examples=40)
@given(
    st.lists(NAMES, min_size=4, max_size=4, unique=True),
    st.lists(NAMES.filter(lambda name: bool(name.strip())), min_size=2, max_size=4, unique=True),
    st.sampled_from(["classification", "regression", "qa", "text"]),
    NAMES.filter(bool),
)
def test_what_is_written_is_read_again_whatever_the_names(
    names: list[str], classes: list[str], task: FileTaskName, path: str
) -> None:
    text, pair, label, other = names
    assume(len({name.strip() for name in classes}) == len(classes))
    labels: tuple[Any, ...] = {
        "classification": tuple(classes[i % len(classes)] for i in range(N)),
        "regression": tuple(i / 3 for i in range(N)),
    }.get(task, TEXT[::-1])
    columns = {text: TEXT, pair: TEXT, label: labels, other: ("a", "b") * (N // 2)}
    written = made(columns, path, text=text, pair=pair, label=label, task=task)
    assert read(written) == written.task
    assert written.task.source == path
    assert written.task.task == task


def test_each_kind_of_task_is_written_with_its_columns() -> None:
    two = ("good", "bad") * (N // 2)
    one = read(made({"premise": TEXT, "hypothesis": TEXT, "label": two}))
    assert (one.text_pair, one.splits.validation) == ("hypothesis", 8)
    assert one.template == "Classify as bad or good: premise: {text} hypothesis: {text_pair}"
    number = read(made({"text": TEXT, "score": tuple(i / 3 for i in range(N))}))
    assert (number.task, number.template) == ("regression", "score: {text}")
    qa = read(made({"question": TEXT, "context": TEXT, "answers": TEXT}))
    assert (qa.task, qa.question, qa.context, qa.answers, qa.template) == (
        *("qa", "question", "context", "answers"),
        "{text}",
    )
    assert qa.max_input_tokens >= 64
    text = read(made({"document": TEXT, "summary": TEXT}))
    assert (text.task, text.target, text.template) == ("text", "summary", "summary: {text}")
    assert 16 <= text.max_target_tokens <= 256


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (("bad", "good"), "Classify as bad or good: {text}"),
        (("a", "b", "very good"), "Classify as a, b or very good: {text}"),
        (("0", "1"), "Classify: {text}"),
        (("{x}", "y"), "Classify: {text}"),
        (("x" * 40, "y" * 40), "Classify: {text}"),
    ],
)
def test_few_words_that_are_classes_stand_in_the_prompt(
    classes: tuple[str, ...], expected: str
) -> None:
    guess = ColumnGuess(
        task="classification", text="t", pair=None, label="l", why="so", classes=classes
    )
    assert prompt(guess) == expected


def test_comments_name_the_classes_the_group_and_limits_that_can_be_taken() -> None:
    columns: dict[str, tuple[Any, ...]] = {
        "id": tuple(range(N)),
        "title": tuple(f"a title {i}" for i in range(N)),
        "text": TEXT,
        "label": tuple(f"class {i % 3}" for i in range(N)),
        "source": ("a", "b") * (N // 2),
        "customer": tuple(f"c{i % 8}" for i in range(N)),
    }
    text = made(columns).text()
    assert '# 3 classes: "class 0", "class 1", "class 2"' in text
    assert '  # group: "customer"' in text
    assert '# Columns of texts that are not used: "title"' in text
    assert '# Other columns that can be the label: "source"' in text
    assert '"id"' not in text
    parse_spec(text.replace('# group: "customer"', 'group: "customer"'), "x.yaml")
    spec = parse_spec(text.replace("# limits:", "limits:"), "x.yaml")
    assert [limit.metric for limit in spec.limits] == [
        "weight_bytes",
        "latency_sec",
        "peak_memory_bytes",
    ]
    assert {limit.metric for limit in spec.limits} < set(METRICS)
    # So few rows certify nothing.
    assert spec.splits.selection == 0
    assert [str(limit) for limit in spec.choose.where] == ["surely score >= baseline(peft) - 0.02"]


def test_a_quarter_of_the_rows_certifies_where_that_is_enough() -> None:
    sample = [Column("text", TEXT), Column("label", ("good", "bad") * (N // 2))]
    guess = guess_columns("x.csv", sample, NamedColumns(), None)
    for n_rows, selection in ((592, 0), (600, 150), (100_000, 1200)):
        spec = parse_spec(starter("x.csv", guess, sample, n_rows).text(), "x.yaml")
        assert spec.splits.selection == selection
        assert [limit.surely for limit in spec.choose.where] == [selection == 0]


def test_input_tokens_follow_the_texts_also_those_without_spaces() -> None:
    two = ("good", "bad") * (N // 2)
    short, long = (
        read(made({"text": (*TEXT[:1], word, *TEXT[2:]), "label": two}))
        for word in ("w", "w " * 900)
    )
    assert short.max_input_tokens == long.max_input_tokens  # one row of forty
    ideographs = tuple("好" * 100 + str(i) for i in range(N))
    assert read(made({"text": ideographs, "label": two})).max_input_tokens >= 100
