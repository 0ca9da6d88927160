"""`plan --combinations`: which members of the axes go together, and why the others do not. Loads
neither torch nor ray.
"""

from contextlib import suppress
from pathlib import Path

from deft_sweeps.cli import show
from deft_sweeps.errors import CheckpointError
from deft_sweeps.models.checkpoints import read_config
from deft_sweeps.models.families import layout
from deft_sweeps.report.report_table import ReportTable, Row
from deft_sweeps.specification.combination import Combination
from deft_sweeps.specification.legality_table import (
    LegalityTable,
    table_of_all_members,
    table_of_sweep,
)
from deft_sweeps.specification.shape_limits import combination_problems
from deft_sweeps.specification.sweep_file import load_parts
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.spec_origin import spec_folder
from deft_sweeps.tasks.location import located_checkpoint

ROWS, COLUMNS = "peft", "quantization"


def combinations(file: Path | None, *, as_json: bool) -> None:
    """Of each sweep in `file`, with what its model forbids; of all members where it is None."""
    tables = (
        {"": table_of_all_members()}
        if file is None
        else {part.spec.name: _of_sweep(part.spec) for part in load_parts(file, spec_folder(file))}
    )
    if as_json:
        documents = [_as_dict(table) for table in tables.values()]
        show.as_json(documents[0] if len(documents) == 1 else documents)
        return
    for number, (name, table) in enumerate(tables.items()):
        if number:
            show.text("")
        _print(table, f"{name}: " if len(tables) > 1 else "", of_file=file is not None)


def _print(table: LegalityTable, head: str, *, of_file: bool) -> None:
    columns = (ROWS, *table.names[COLUMNS])
    rows = tuple(
        Row((row, *(table.answer(**{ROWS: row, COLUMNS: column}) for column in columns[1:])))
        for row in table.names[ROWS]
    )
    others = ", ".join(
        axis
        for axis, names in table.names.items()
        if axis not in (ROWS, COLUMNS) and len(names) > 1
    )
    conditions = [f"yes: with every {others}; some: not with each; no: with none"] if others else []
    note = ". ".join(
        [*conditions, *([] if of_file else ["What a model's shape forbids shows with FILE"])]
    )
    show.table(
        ReportTable(
            f"{head}{table.n_legal} of {len(table.checked)} combinations are legal",
            columns,
            rows,
            note,
        )
    )
    if table.refusals:
        why = tuple(
            Row(
                (
                    "; ".join(
                        f"{axis}: {', '.join(names)}" for axis, names in refusal.where.items()
                    )
                    or "everything",
                    refusal.reason,
                )
            )
            for refusal in table.refusals
        )
        show.table(ReportTable("refused", ("where", "why"), why))


def _of_sweep(spec: SweepSpec) -> LegalityTable:
    def refusals_of(combination: Combination) -> list[str]:
        # a model that cannot be read forbids nothing here; `validate` tells of it
        with suppress(CheckpointError):
            return [
                str(problem)
                for problem in combination_problems(
                    combination,
                    layout(read_config(located_checkpoint(combination.template, spec.folder))),
                )
            ]
        return []

    return table_of_sweep(spec, refusals_of)


def _as_dict(table: LegalityTable) -> dict[str, object]:
    return {
        "axes": {axis: list(names) for axis, names in table.names.items()},
        "n_combinations": len(table.checked),
        "n_legal": table.n_legal,
        "table": [
            {ROWS: row, COLUMNS: column, "legal": table.answer(**{ROWS: row, COLUMNS: column})}
            for row in table.names[ROWS]
            for column in table.names[COLUMNS]
        ],
        "refused": [
            {"why": r.reason, "where": {axis: list(names) for axis, names in r.where.items()}}
            for r in table.refusals
        ],
    }
