"""Examples to the columns that a model trains on, whatever the kind of task and the form of its
answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deft_sweeps.config.data import (
    FileTask,
    Form,
    GlueTask,
    PackagedTask,
    SquadTask,
    Task,
    TaskKind,
    task_kind,
)
from deft_sweeps.tasks import glue, squad
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.passages import encode_passages, targets
from deft_sweeps.tasks.split import Examples
from deft_sweeps.tasks.tokens import encode, encode_classes, encode_targets, number_text
from deft_sweeps.tasks.windows import Columns, encode_for_head, encode_windows

PROMPT = "sentiment: {text}"
"""Input of the packaged task: the shortest of 14 prompts that `benchmarks/README.md` compares."""

PAIR_PROMPT = "text1: {text} text2: {text_pair}"

STSB_STEP = 0.2
"""STS-B's numbers as T5 learned to write them (Raffel et al. 2020, section 2.3)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How one task's examples become columns.

    Attributes:
        classes: of a classification task, by index.
        class_ids: token ids of each class's target text; empty for a head.
        may_be_none: a span task's questions may have no answer.
    """

    task: Task
    kind: TaskKind
    form: Form
    tokenizer: Any
    classes: tuple[str, ...]
    class_ids: tuple[tuple[int, ...], ...]
    may_be_none: bool = False


def plan_of(task: Task, form: Form, splits: Examples, tokenizer: Any) -> Plan:
    """How to prepare the splits.

    Raises:
        DataError: the tokenizer cannot write the classes, or not apart from each other.
    """
    kind = task_kind(task)
    classes = classes_of(task, splits)
    ids = encode_classes(tokenizer, classes) if form == "text-to-text" else ()
    asked_without = kind == "span" and not all(example.answers for example in splits.train)
    may_be_none = task.version == "2.0" if isinstance(task, SquadTask) else asked_without
    return Plan(task, kind, form, tokenizer, classes, ids, may_be_none)


def classes_of(task: Task, splits: Examples) -> tuple[str, ...]:
    """Names of a classification task's classes, in the order of their indices; none of another
    kind of task.
    """
    if task_kind(task) != "classification":
        return ()
    if isinstance(task, GlueTask):
        return glue.GLUE[task.name].classes
    return tuple(sorted({example.label for example in splits.train}))


def input_columns(plan: Plan, examples: Sequence[Example]) -> Columns:
    """What the model reads of some examples, whose answers need not be known.

    Args:
        plan: of the task.
        examples: one at least.

    Returns:
        `input_ids`; `token_type_ids` where the family uses them; of long contexts a row a window
        with `example`, the index into `examples`, and what `encode_windows` or `encode_passages`
        say besides.
    """
    task, tokenizer = plan.task, plan.tokenizer
    if plan.form == "head" and plan.kind == "span":
        return encode_windows(tokenizer, examples, task.max_input_tokens, _stride(task))
    if plan.kind == "span":
        prompt = prompt_of(task)
        return encode_passages(tokenizer, examples, prompt, task.max_input_tokens, _stride(task))
    if plan.form == "head":
        return encode_for_head(tokenizer, examples, task.max_input_tokens)
    seconds = [e.second for e in examples] if "{text_pair}" in prompt_of(task) else None
    texts = [e.text for e in examples]
    ids = encode(tokenizer, texts, prompt_of(task), task.max_input_tokens, seconds)
    return {"input_ids": ids}


def columns(plan: Plan, examples: Sequence[Example], first: int, *, evaluated: bool) -> Columns:
    """The columns of some examples, as `TaskData` describes them.

    Args:
        plan: of the task.
        examples: some of a split, one at least.
        first: index of the first of them in the split.
        evaluated: whether the split's answers are looked for in its contexts.
    """
    made = input_columns(plan, examples)
    if plan.form == "head" and plan.kind == "span":
        made["example"] = [first + i for i in made["example"]]
        return (
            made
            if evaluated
            else {name: values for name, values in made.items() if name not in ("begins", "ends")}
        )
    if plan.kind == "span":
        return _passages(plan, made, examples, first, evaluated=evaluated)
    made["example"] = list(range(first, first + len(examples)))
    if plan.kind == "classification":
        index = {name: i for i, name in enumerate(plan.classes)}
        made["label"] = [index[e.label] for e in examples]
    elif plan.kind == "regression":
        made["label"] = [float(e.label) for e in examples]
    if plan.form == "text-to-text":
        made["target_ids"] = _target_ids(plan, examples, made)
    return made


def prompt_of(task: Task) -> str:
    """The input of a model that writes."""
    match task:
        case PackagedTask():
            return PROMPT
        case GlueTask(name=name):
            return glue.GLUE[name].prompt
        case SquadTask() | FileTask(task="qa"):
            return squad.PROMPT
        case FileTask():
            return (
                PAIR_PROMPT
                if task.text_pair is not None and task.template == "{text}"
                else task.template
            )


def _passages(
    plan: Plan, made: Columns, examples: Sequence[Example], first: int, *, evaluated: bool
) -> Columns:
    """Windows for a model that writes; all of them where answers are looked for, those with
    something to learn where it trains.
    """
    rows = list(
        zip(
            made["input_ids"],
            made["example"],
            targets(made, examples, may_be_none=plan.may_be_none),
            strict=True,
        )
    )
    if evaluated:
        # Teacher-forced on the example's answer wherever there is no other.
        rows = [
            (ids, which, examples[which].answers[0] if text is None else text)
            for ids, which, text in rows
        ]
    trainable = [(ids, which, text) for ids, which, text in rows if text is not None]
    return {
        "input_ids": [ids for ids, _, _ in trainable],
        "example": [first + which for _, which, _ in trainable],
        "target_ids": list(
            encode_targets(
                plan.tokenizer, [text for _, _, text in trainable], _longest_target(plan.task)
            )
        ),
    }


def _longest_target(task: Task) -> int:
    return (
        task.max_target_tokens if isinstance(task, SquadTask | FileTask) else task.max_input_tokens
    )


def _target_ids(plan: Plan, examples: Sequence[Example], made: Columns) -> list[Sequence[int]]:
    match plan.kind:
        case "classification":
            return [plan.class_ids[label] for label in made["label"]]
        case "regression":
            step = STSB_STEP if isinstance(plan.task, GlueTask) else None
            texts = [number_text(number, step) for number in made["label"]]
        case "span" | "text":
            texts = [e.answers[0] if e.answers else "" for e in examples]
    return list(encode_targets(plan.tokenizer, texts, _longest_target(plan.task)))


def _stride(task: Task) -> int:
    match task:
        case SquadTask(doc_stride=stride) | FileTask(doc_stride=int(stride)):
            return stride
        case _:
            return task.max_input_tokens // 3
