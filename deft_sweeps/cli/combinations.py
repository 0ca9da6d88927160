"""`plan --combinations`: which members of the axes go together, and why the others do not. Loads neither torch nor ray."""

from contextlib import suppress
from pathlib import Path

from deft_sweeps.cli import show
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.errors import CheckpointError
from deft_sweeps.models.checkpoints import read_config
from deft_sweeps.models.families import layout
from deft_sweeps.models.legality import misfits
from deft_sweeps.report.sheet import Row, Sheet
from deft_sweeps.spec.combinations import Combinations, of_all_members, of_sweep
from deft_sweeps.spec.load import load_spec

ROWS, COLUMNS = "peft", "quantization"


def combinations(file: Path | None, *, as_json: bool) -> None:
    """Of the sweep in `file`, with what its model forbids; of all members where it is None."""
    table = of_all_members() if file is None else _of_file(file)
    if as_json:
        show.as_json(_as_dict(table))
        return
    columns = (ROWS, *table.names[COLUMNS])
    rows = tuple(Row((row, *(table.answer(**{ROWS: row, COLUMNS: column}) for column in columns[1:]))) for row in table.names[ROWS])
    others = ", ".join(axis for axis, names in table.names.items() if axis not in (ROWS, COLUMNS) and len(names) > 1)
    told = [f"yes: with every {others}; some: not with each; no: with none"] if others else []
    note = ". ".join([*told, *([] if file else ["What a model's shape forbids shows with FILE"])])
    show.table(Sheet(f"{table.n_legal} of {len(table.tried)} combinations are legal", columns, rows, note))
    if table.refused:
        why = tuple(
            Row(("; ".join(f"{axis}: {', '.join(names)}" for axis, names in refused.where.items()) or "everything", refused.reason))
            for refused in table.refused
        )
        show.table(Sheet("refused", ("where", "why"), why))


def _of_file(file: Path) -> Combinations:
    spec = load_spec(file)

    def forbidden(config: TrialConfig) -> list[str]:
        with suppress(CheckpointError):  # a model that cannot be read forbids nothing here; `validate` tells of it
            return misfits(config, layout(read_config(config.model)))
        return []

    return of_sweep(spec, forbidden)


def _as_dict(table: Combinations) -> dict[str, object]:
    return {
        "axes": {axis: list(names) for axis, names in table.names.items()},
        "n_combinations": len(table.tried),
        "n_legal": table.n_legal,
        "table": [
            {ROWS: row, COLUMNS: column, "legal": table.answer(**{ROWS: row, COLUMNS: column})}
            for row in table.names[ROWS]
            for column in table.names[COLUMNS]
        ],
        "refused": [{"why": r.reason, "where": {axis: list(names) for axis, names in r.where.items()}} for r in table.refused],
    }
