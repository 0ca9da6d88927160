"""Profiles a task's examples: class balance, repeated and contradictory texts, lengths. Loads no
torch.

Two texts are nearly equal if they are the same but for letter case, spacing and punctuation.
Everything is counted in one pass over the examples of each split.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import fmean, median, pstdev

from deft_sweeps.config.data import Task, TaskKind, task_kind
from deft_sweeps.result.data_profile import (
    DataProfile,
    LabelRange,
    LengthProfile,
    SplitProfile,
)
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.plain_text import bare, plain
from deft_sweeps.tasks.prepare import prompt_of
from deft_sweeps.tasks.split import Examples
from deft_sweeps.tasks.tokens import fill

SAMPLED = 20_000
"""Training inputs that are tokenised at most."""

ENOUGH_SHARE = 0.99
"""Share of the inputs that the proposed length leaves whole."""

Tokenise = Callable[[Sequence[str]], tuple[list[int], float]]
"""Lengths in tokens of some texts, and the share of unknown tokens among all."""


def look(
    task: Task, splits: Examples, tokenise: Tokenise | None = None, notes: Sequence[str] = ()
) -> DataProfile:
    """The profile of a task.

    Args:
        task: whose examples they are.
        splits: as they are drawn.
        tokenise: of the model; None leaves out the lengths.
        notes: how the data was read.
    """
    kind = task_kind(task)
    by_name = {
        "train": splits.train,
        "validation": splits.validation,
        "selection": splits.selection,
        "test": splits.test,
    }
    in_train = {bare(example.key) for example in splits.train}
    profiles = {
        name: _split(examples, kind, in_train if name != "train" else set())
        for name, examples in by_name.items()
        if examples or name != "selection"
    }
    majority = _majority(profiles["train"])
    return DataProfile(
        kind=kind,
        splits=profiles,
        majority_class=majority,
        majority_shares={
            name: one.class_counts.get(majority, 0) / max(1, one.n_rows)
            for name, one in profiles.items()
            if majority
        },
        n_contradictory=_contradictory(splits.train, kind),
        label_range=_label_range(splits.train) if kind == "regression" else None,
        answerable_share=_answerable(splits.train) if kind == "span" else None,
        lengths=None if tokenise is None or kind == "span" else _lengths(task, splits, tokenise),
        notes=tuple(notes),
    )


def _split(examples: Sequence[Example], kind: TaskKind, in_train: set[str]) -> SplitProfile:
    equal = Counter(plain(example.key) for example in examples)
    nearly = Counter(bare(example.key) for example in examples)
    counts = Counter(example.label for example in examples) if kind == "classification" else {}
    return SplitProfile(
        n_rows=len(examples),
        class_counts=dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
        n_empty=sum(not example.text.strip() for example in examples),
        n_repeated=sum(n for n in equal.values() if n > 1),
        n_nearly_repeated=sum(n for n in nearly.values() if n > 1),
        n_in_train=sum(n for text, n in nearly.items() if text in in_train),
    )


def _majority(train: SplitProfile) -> str:
    return next(iter(train.class_counts), "")


def _contradictory(examples: Sequence[Example], kind: TaskKind) -> int:
    if kind not in ("classification", "regression"):
        return 0
    labels: dict[str, set[str]] = {}
    for example in examples:
        labels.setdefault(plain(example.key), set()).add(example.label)
    return sum(len(several) > 1 for several in labels.values())


def _label_range(examples: Sequence[Example]) -> LabelRange | None:
    numbers = [float(example.label) for example in examples]
    if not numbers or not all(map(math.isfinite, numbers)):
        return None
    return LabelRange(
        low=min(numbers), mean=fmean(numbers), high=max(numbers), deviation=pstdev(numbers)
    )


def _answerable(examples: Sequence[Example]) -> float | None:
    if not examples:
        return None
    return sum(bool(example.answers) for example in examples) / len(examples)


def _lengths(task: Task, splits: Examples, tokenise: Tokenise) -> LengthProfile | None:
    step = max(1, math.ceil(len(splits.train) / SAMPLED))
    template = prompt_of(task)
    texts = [fill(template, one.text, one.second) for one in splits.train[::step]]
    if not texts:
        return None
    lengths, unknown_share = tokenise(texts)
    ordered = sorted(lengths)
    enough = ordered[min(len(ordered) - 1, math.ceil(ENOUGH_SHARE * len(ordered)))]
    return LengthProfile(
        n_sampled=len(texts),
        median=int(median(ordered)),
        longest=ordered[-1],
        enough=enough,
        max_input_tokens=task.max_input_tokens,
        cut_share=sum(length > task.max_input_tokens for length in ordered) / len(ordered),
        unknown_share=unknown_share,
    )
