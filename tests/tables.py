"""Tables written to files of every kind."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

ROWS = [
    {
        "id": i,
        "review": f"this film number {i} is quite long to watch",
        "stars": i % 5,
        "verdict": "good" if i % 3 else "bad",
    }
    for i in range(30)
]


def write(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    match path.suffix:
        case ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        case ".parquet":
            import pyarrow as pa
            import pyarrow.parquet

            pyarrow.parquet.write_table(pa.Table.from_pylist(list(rows)), path)
        case ending:
            separator = "\t" if ending == ".tsv" else ","
            path.write_text(
                "\n".join(
                    separator.join(str(cell) for cell in line)
                    for line in [rows[0], *(row.values() for row in rows)]
                )
            )
    return path
