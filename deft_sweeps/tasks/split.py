"""Disjoint splits of labelled texts, drawn by hash: the same on every machine, whatever the
order of the file.
"""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import groupby

from deft_sweeps.config.data import Splits
from deft_sweeps.tasks.class_reserve import reserved_groups, with_every_class
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.plain_text import plain

CUT_SHARE = 0.2
"""Share of the training file's examples that a validation or test split gets which is cut off it
without a size of its own."""

SELECTION_SHARE = 0.25
"""Share of the training file's examples that the selection split gets at most."""


@dataclass(frozen=True, slots=True)
class Examples:
    """The splits as text; `selection` is empty unless the task asks for it.

    Attributes:
        shared: how many rows of the training file (`train`), and of a file of validation's own
            (`validation`), were left out because a split drawn before has their group or text.
        n_selectable: examples that the selection split may have at most.
    """

    train: list[Example]
    validation: list[Example]
    test: list[Example]
    selection: list[Example] = field(default_factory=list)
    shared: dict[str, int] = field(default_factory=dict)
    n_selectable: int = 0


def draw(
    examples: Sequence[Example],
    splits: Splits,
    validation: Sequence[Example] | None = None,
    test: Sequence[Example] | None = None,
    *,
    by_class: bool = False,
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
        by_class: labels are classes, so train keeps a row of each wherever it can; draws in which
            it does so anyway are the same.

    Returns:
        The splits, each in the order of a hash of seed and text; one is shorter than asked for
        where examples run out.
    """
    seed = splits.seed
    ordered = sorted(examples, key=lambda example: (_digest(seed, example.group), example.group))
    groups = [list(group) for _, group in groupby(ordered, key=lambda example: example.group)]
    files = [*(validation or ()), *(test or ())]
    reserved = reserved_groups(groups, files) if by_class else set()
    drawn = _Draw(deque(group for group in groups if group[0].group not in reserved), seed)
    n_whole = sum(not example.is_part for example in examples)
    fifth, n_selectable = int(n_whole * CUT_SHARE), int(n_whole * SELECTION_SHARE)

    def take(split: str, own: Sequence[Example] | None, size: int | None) -> list[Example]:
        if own is not None:
            return drawn.from_file(split, own, size)
        return drawn.from_groups(fifth if size is None else size)

    tested = take("test", test, splits.test)
    selected = drawn.from_groups(min(splits.selection, n_selectable))
    validated = take("validation", validation, splits.validation)
    training = drawn.rest(group for group in groups if group[0].group in reserved)
    needed = {row.label for row in (*validated, *selected, *tested)} if by_class else set()
    train = with_every_class(_in_order(training, seed), splits.train, needed)
    return Examples(train, validated, tested, selected, dict(drawn.shared), n_selectable)


class _Draw:
    """One draw of splits: what was taken so far, and how many rows were left out because of it."""

    def __init__(self, groups: deque[list[Example]], seed: int) -> None:
        self._groups = groups
        self._seed = seed
        self._groups_taken: set[str] = set()
        self._texts_taken: set[str] = set()
        self.shared: Counter[str] = Counter()

    def from_file(self, file: str, own: Sequence[Example], size: int | None) -> list[Example]:
        """Rows of the split's own file."""
        return self._taken(self._unseen(file, own), size)

    def from_groups(self, size: int) -> list[Example]:
        """Whole groups until there are enough rows."""
        pool: list[Example] = []
        n_whole = 0
        while self._groups and n_whole < size:
            fresh = self._unseen("train", self._groups.popleft())
            n_whole += sum(not example.is_part for example in fresh)
            pool += fresh
        return self._taken(pool, size)

    def rest(self, reserved: Iterable[list[Example]]) -> list[Example]:
        """What is there for train: the reserved groups and those that no split took."""
        rows = [example for group in (*self._groups, *reserved) for example in group]
        return self._unseen("train", rows)

    def _unseen(self, file: str, rows: Sequence[Example]) -> list[Example]:
        fresh = [
            row
            for row in rows
            if row.group not in self._groups_taken and plain(row.key) not in self._texts_taken
        ]
        self.shared[file] += len(rows) - len(fresh)
        return fresh

    def _taken(self, pool: list[Example], size: int | None) -> list[Example]:
        # What is beyond the size, or but a part, stays out of the other splits too: its group is in
        # this one.
        self._groups_taken.update(example.group for example in pool)
        self._texts_taken.update(plain(example.key) for example in pool)
        return _in_order([example for example in pool if not example.is_part], self._seed)[:size]


def _in_order(examples: list[Example], seed: int) -> list[Example]:
    return sorted(
        examples,
        key=lambda example: (_digest(seed, example.key), example.key, example.label, example.group),
    )


def _digest(seed: int, text: str) -> bytes:
    return blake2b(f"{seed} {text}".encode(), digest_size=8).digest()
