"""The columns of a file, asked for the one that suits a use best."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from deft_sweeps.specification import column_name
from deft_sweeps.specification.column_sample import Column

_MIN_GROUPS = 5

Labelled = Literal["classification", "regression"]


@dataclass(frozen=True, slots=True)
class ColumnTable:
    """The columns by their names, in the file's order."""

    columns: dict[str, Column]

    def named(
        self, names: Sequence[str], besides: Collection[str | None] = (), *, texts: bool = False
    ) -> str | None:
        """The column with the best of these names; with `texts` only one that holds texts."""
        fits = [
            name
            for name, column in self.columns.items()
            if column_name.is_named(name, names)
            and name not in besides
            and not column_name.is_id(name)
            and (column.is_text or not texts)
        ]
        return min(fits, key=lambda name: column_name.rank(name, names), default=None)

    def pair(
        self, text: str | None, second: str | None, besides: Collection[str | None]
    ) -> tuple[str, str] | None:
        """Two texts whose names go together; those that are given are among them."""
        by_name = {
            column_name.plain(name): name
            for name, column in self.columns.items()
            if column.is_text and name not in besides
        }
        pairs = ((by_name.get(one), by_name.get(other)) for one, other in column_name.PAIRS)
        for one, other in pairs:
            if one is None or other is None:
                continue
            if text in (None, one) and second in (None, other):
                return one, other
        return None

    def text(self, besides: Collection[str | None]) -> str | None:
        """The column named like a text, or the one with the longest values."""
        texts = [c for c in self.columns.values() if c.is_text and c.name not in besides]
        texts = [c for c in texts if not column_name.is_id(c.name)] or texts
        texts = [c for c in texts if c.no_classes] or texts
        seconds = [c for c in texts if column_name.plain(c.name) in column_name.SECOND_NAMES]
        texts = [c for c in texts if c not in seconds] or texts
        if not texts:
            return None
        longest = max(texts, key=lambda column: column.mean_length)
        best = min(texts, key=lambda column: column_name.rank(column.name, column_name.TEXT_NAMES))
        # `text_type` is no text: a name counts only if the values are not far shorter.
        is_long = best.mean_length >= longest.mean_length / 3
        is_named = column_name.is_named(best.name, column_name.TEXT_NAMES)
        return best.name if is_named and is_long else longest.name

    def texts(self, besides: Collection[str | None]) -> tuple[str, ...]:
        """Columns of texts that are neither few values nor names of the rows."""
        return tuple(
            name
            for name, column in self.columns.items()
            if name not in besides
            and column.is_text
            and column.no_classes
            and not column_name.is_id(name)
            and not column_name.is_group(name)
        )

    def groups(self, besides: Collection[str | None]) -> tuple[str, ...]:
        """Columns whose rows of one value may belong together: so named, and values come back."""
        return tuple(
            name
            for name, column in self.columns.items()
            if name not in besides
            and column_name.is_group(name)
            and not column.is_nested
            and len(column.texts) == len(column.values)
            and _MIN_GROUPS <= column.n_distinct < len(column.texts)
        )

    def task_of(self, name: str) -> Labelled | None:
        """What the column would be the label of."""
        column = self.columns[name]
        if not column.no_classes:
            return "classification"
        return None if column.no_numbers else "regression"

    def no_label(self, name: str, task: Labelled | None) -> str:
        """Why the column is no label of a task, or of neither kind; empty if it may be one."""
        column = self.columns[name]
        is_label = column_name.is_named(name, column_name.LABEL_NAMES)
        if column_name.is_id(name) and (column.is_unique or not is_label):
            return "names or numbers the rows"
        if column.is_whole and column.is_unique and not is_label:
            return "has another whole number in each row, as an index has"
        if task is None and self.task_of(name) is not None:
            return ""
        return column.no_numbers if task == "regression" else column.no_classes

    def labels(self, task: Labelled | None, besides: Collection[str | None] = ()) -> list[str]:
        """Columns that may be the label."""
        return [
            name for name in self.columns if name not in besides and not self.no_label(name, task)
        ]
