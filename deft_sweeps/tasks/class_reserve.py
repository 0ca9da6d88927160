"""Rows that stay in train so that it has every class, when splits are drawn.

A draw takes groups from the front of an order. Train lacks a class exactly if all of the class's
rows are taken before. So the one to hold back is the row of each class that would be taken last:
where train has the class anyway, holding it back changes nothing.
"""

from collections.abc import Collection, Iterable, Sequence

from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.plain_text import plain


def reserved_groups(groups: Sequence[Sequence[Example]], unusable: Iterable[Example]) -> set[str]:
    """Groups that no split but train may draw from.

    Args:
        groups: examples by group, in the order in which they are drawn.
        unusable: examples of the validation or test split's own file: train has neither their
            groups nor their texts.

    Returns:
        For each class the groups with the text of the row that would be drawn last.
    """
    files = list(unusable)
    lost_groups = {row.group for row in files}
    lost_texts = {plain(row.key) for row in files}
    # Train loses a text as soon as one group that has it is drawn.
    first: dict[str, int] = {}
    groups_of: dict[str, set[str]] = {}
    last: dict[str, tuple[int, str]] = {}
    for place, group in enumerate(groups):
        for row in group:
            text = plain(row.key)
            if row.group not in lost_groups and text not in lost_texts:
                drawn = first.setdefault(text, place)
                groups_of.setdefault(text, set()).add(row.group)
                last[row.label] = max(last.get(row.label, (-1, "")), (drawn, text))
    return {group for _, text in last.values() for group in groups_of[text]}


def with_every_class(
    ordered: Sequence[Example], size: int | None, needed: Collection[str]
) -> list[Example]:
    """The front of the training rows, with a row of each needed class that it would lack.

    Args:
        ordered: training rows.
        size: how many of them; None takes all.
        needed: classes that are measured. A class that rows beyond the size alone have takes the
            place of the last rows whose class has another one.
    """
    front = list(ordered[:size])
    present = {row.label for row in front}
    extra: dict[str, Example] = {}
    for row in ordered[len(front) :]:
        if row.label in needed and row.label not in present:
            extra.setdefault(row.label, row)
    if not extra:
        return front
    counts: dict[str, int] = {}
    for row in front:
        counts[row.label] = counts.get(row.label, 0) + 1
    n_out = len(extra)
    remaining: list[Example] = []
    for row in reversed(front):
        if n_out and counts[row.label] > 1:
            counts[row.label] -= 1
            n_out -= 1
        else:
            remaining.append(row)
    return [*reversed(remaining), *list(extra.values())[: len(extra) - n_out]]
