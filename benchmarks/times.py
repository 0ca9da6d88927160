"""Compares the planner's training time with that of real trainings.

    python -m benchmarks.times [FOLDER ...]

The trainings are those of `benchmarks/tables` and of the given work folders of `make_table`. The
measured time is that of a whole training without its evaluation; the projected one is that of
`Estimate` on one core. Many trainings ran on a busy machine, so the quickest of each kind judge the
projection: the quickest trial, and the quickest stretch between two rungs, scaled to all steps.
"""

import argparse
import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from deft_sweeps.config.trial import Evaluation, TrialConfig, codec
from deft_sweeps.models.checkpoints import read_config
from deft_sweeps.models.families import layout
from deft_sweeps.projection.sweep_projection import FLOPS_PER_CORE, TIME_RANGE
from deft_sweeps.projection.trial_estimate import estimate

TABLES = Path(__file__).parent / "tables"


@dataclass(frozen=True, slots=True)
class Ratio:
    """Measured over projected time of one training.

    Attributes:
        kind: model, method and quantization.
        whole: ratio of the whole training.
        stretch: ratio of the quickest stretch between two rungs, scaled to all steps.
    """

    kind: str
    whole: float
    stretch: float


def trainings(folders: Iterable[Path] = ()) -> Iterator[dict[str, Any]]:
    """Rows of the tables and of the folders, each training once."""
    seen = set()
    packed = (
        line
        for table in sorted(TABLES.glob("*.jsonl.gz"))
        for line in gzip.decompress(table.read_bytes()).splitlines()
    )
    loose = (path.read_bytes() for folder in folders for path in sorted(folder.glob("*.json")))
    for row in map(json.loads, (*packed, *loose)):
        if row["trial_id"] not in seen:
            seen.add(row["trial_id"])
            yield row


def ratio(row: dict[str, Any]) -> Ratio:
    config = codec(TrialConfig).validate_python(row["config"])
    threads = row["provenance"]["n_threads"]
    needs = estimate(
        config,
        layout(read_config(config.model)),
        Evaluation(),
        threads * FLOPS_PER_CORE[config.dtype],
    )
    at = [(0, 0.0), *((rung["step"], rung["train_sec"]) for rung in row["rungs"])]
    quickest = min(
        (sec - sec_before) / (step - before) for (before, sec_before), (step, sec) in pairwise(at)
    )
    steps, sec = at[-1]
    projected = needs.train_sec * steps / config.training.steps
    kind = f"{config.model.split('/')[-1]} {config.peft.kind} {config.quantization.kind}"
    return Ratio(kind, sec / projected, quickest * steps / projected)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "folders", nargs="*", type=Path, metavar="FOLDER", help="of one JSON a training"
    )
    by_kind: dict[str, list[Ratio]] = defaultdict(list)
    for row in trainings(parser.parse_args().folders):
        one = ratio(row)
        by_kind[one.kind].append(one)
    print(
        f"{'measured / projected':36s} {'n':>4s} {'stretch':>8s} {'quickest':>9s} {'median':>7s} "
        f"{'slowest':>8s}"
    )
    for kind, ratios in sorted(by_kind.items()):
        whole = [one.whole for one in ratios]
        stretch = min(one.stretch for one in ratios)
        print(
            f"{kind:36s} {len(ratios):4d} {stretch:8.2f} {min(whole):9.2f} {median(whole):7.2f} "
            f"{max(whole):8.2f}"
        )
    print(f"`plan` says {TIME_RANGE[0]:g} to {TIME_RANGE[1]:g} for a core that is not shared")


if __name__ == "__main__":
    main()
