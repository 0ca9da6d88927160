"""`plan --combinations`: which members of the axes go together, which of these can be exported to
which target, and why the others cannot. Loads neither torch nor ray.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deft_sweeps.cli import show
from deft_sweeps.config.layout import Layout
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.deploy.target_refusal import TargetRefusal, family_layouts, target_refusals
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


@dataclass(frozen=True, slots=True)
class _Answers:
    """Of one sweep, or of all members."""

    table: LegalityTable
    unexported: tuple[TargetRefusal, ...]


def combinations(file: Path | None, *, as_json: bool) -> None:
    """Of each sweep in `file`, with what its model forbids; of all members where it is None."""
    answers = (
        {"": _of_all_members()}
        if file is None
        else {part.spec.name: _of_sweep(part.spec) for part in load_parts(file, spec_folder(file))}
    )
    if as_json:
        documents = [_as_dict(one) for one in answers.values()]
        show.as_json(documents[0] if len(documents) == 1 else documents)
        return
    for number, (name, one) in enumerate(answers.items()):
        if number:
            show.text("")
        _print(one.table, f"{name}: " if len(answers) > 1 else "", of_file=file is not None)
        _print_unexported(one.unexported)


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
        why = tuple(Row((_where(refusal.where), refusal.reason)) for refusal in table.refusals)
        show.table(ReportTable("refused", ("where", "why"), why))


def _print_unexported(refusals: tuple[TargetRefusal, ...]) -> None:
    if refusals:
        rows = tuple(
            Row((", ".join(one.targets), _where(one.where), one.reason)) for one in refusals
        )
        note = "`deft_sweeps.load` opens the bundle of every legal combination"
        show.table(ReportTable("not exported to", ("target", "where", "why"), rows, note))


def _where(where: Mapping[str, tuple[str, ...]]) -> str:
    axes = (f"{axis}: {', '.join(names)}" for axis, names in where.items())
    return "; ".join(axes) or "everything"


def _of_all_members() -> _Answers:
    table = table_of_all_members()
    return _Answers(table, target_refusals(table, family_layouts()))


def _of_sweep(spec: SweepSpec) -> _Answers:
    # A model that cannot be read forbids nothing here; `validate` reports it.
    def refusals_of(combination: Combination) -> list[str]:
        with suppress(CheckpointError):
            shape = _layout(combination.template, spec)
            return [str(problem) for problem in combination_problems(combination, shape)]
        return []

    table = table_of_sweep(spec, refusals_of)
    layouts: dict[str, Layout] = {}
    with suppress(CheckpointError):
        layouts = {c.template.model: _layout(c.template, spec) for c in spec.combinations[:1]}
    return _Answers(table, target_refusals(table, layouts))


def _layout(config: TrialConfig, spec: SweepSpec) -> Layout:
    return layout(read_config(located_checkpoint(config, spec.folder)))


def _as_dict(answers: _Answers) -> dict[str, object]:
    table = answers.table
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
        "not_exported": [
            {
                "targets": list(one.targets),
                "why": one.reason,
                "where": {axis: list(names) for axis, names in one.where.items()},
            }
            for one in answers.unexported
        ],
    }
