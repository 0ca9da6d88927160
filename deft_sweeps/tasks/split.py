"""Disjoint splits of labelled texts, drawn by hash: the same on every machine, whatever the
order of the file.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import groupby

from deft_sweeps.config.data import Splits
from deft_sweeps.tasks.examples import Example

CUT_SHARE = 0.2
"""Share of the training file's examples that a validation or test split gets which is cut off it
without a size of its own."""

SELECTION_SHARE = 0.25
"""Share of the training file's examples that the selection split gets at most."""


@dataclass(frozen=True, slots=True)
class Examples:
    """The splits as text; `selection` is empty unless the task asks for it."""

    train: list[Example]
    validation: list[Example]
    test: list[Example]
    selection: list[Example] = field(default_factory=list)


def draw(
    examples: Sequence[Example],
    splits: Splits,
    validation: Sequence[Example] | None = None,
    test: Sequence[Example] | None = None,
) -> Examples:
    """Disjoint splits.

    Groups are put in the order of a hash of seed and group. The test split takes whole groups until
    it is full, then selection, then validation, and train gets the rest: so the test split depends
    on nothing but the data, the seed and its own size. A group or a text that one split has, be the
    text in other letter case or spacing, is left out of those drawn after it: test keeps it, train
    loses it.

    Args:
        examples: of the training file.
        splits: sizes and seed.
        validation: examples of a file of its own; None cuts them off `examples`.
        test: the same for test.

    Returns:
        The splits, each in the order of a hash of seed and text; one is shorter than asked for
        where examples run out.
    """
    seed = splits.seed
    groups_taken: set[str] = set()
    texts_taken: set[str] = set()
    ordered = sorted(examples, key=lambda example: (_digest(seed, example.group), example.group))
    groups = deque(list(group) for _, group in groupby(ordered, key=lambda example: example.group))

    def unseen(rows: Iterable[Example]) -> list[Example]:
        return [
            row
            for row in rows
            if row.group not in groups_taken and plain(row.key) not in texts_taken
        ]

    def take(own: Sequence[Example] | None, size: int | None) -> list[Example]:
        if own is not None:
            pool = unseen(own)
        else:
            size = (
                int(sum(not example.is_part for example in examples) * CUT_SHARE)
                if size is None
                else size
            )
            pool = []
            n_whole = 0
            while groups and n_whole < size:
                fresh = unseen(groups.popleft())
                n_whole += sum(not example.is_part for example in fresh)
                pool += fresh
        # What is beyond the size, or but a part, stays out of the other splits too: its group is in
        # this one.
        groups_taken.update(example.group for example in pool)
        texts_taken.update(plain(example.key) for example in pool)
        return _in_order([example for example in pool if not example.is_part], seed)[:size]

    tested = take(test, splits.test)
    n_whole = sum(not example.is_part for example in examples)
    selected = take(None, min(splits.selection, int(n_whole * SELECTION_SHARE)))
    validated = take(validation, splits.validation)
    training = unseen(example for group in groups for example in group)
    return Examples(_in_order(training, seed)[: splits.train], validated, tested, selected)


def plain(text: str) -> str:
    """A text without regard to letter case and spacing."""
    return " ".join(text.split()).casefold()


def _in_order(examples: list[Example], seed: int) -> list[Example]:
    return sorted(
        examples,
        key=lambda example: (_digest(seed, example.key), example.key, example.label, example.group),
    )


def _digest(seed: int, text: str) -> bytes:
    return blake2b(f"{seed} {text}".encode(), digest_size=8).digest()
