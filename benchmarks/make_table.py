"""Trains every configuration of a small space: a landscape on which searches can be compared.

    python -m benchmarks.make_table flan_t5_small_reviews --minutes 60

The table holds the measurements at every rung and threshold. Each training is written when it ends,
so the script can be interrupted and restarted, and several can share one folder. At the end the
trainings are packed into `benchmarks/tables/NAME.jsonl.gz`, one line each, with provenance.
"""

import argparse
import fcntl
import gzip
import itertools
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

from deft_sweeps.config.label import label
from deft_sweeps.config.trial import TrialConfig, codec
from deft_sweeps.result import Point, Provenance
from deft_sweeps.specification.domain import Categorical
from deft_sweeps.specification.spec_reader import load_spec
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.atomic_file import write_atomically

TABLES = Path(__file__).parent / "tables"
ETA = 3
N_RUNGS = 3


def grid(spec: SweepSpec) -> tuple[TrialConfig, ...]:
    """Every configuration of a space of choices.

    Those with the first learning rate come first, and the unquantized ones first among them. The
    first half and the first quarter of the table are therefore grids too.
    """
    keyed: list[tuple[tuple[int, bool], TrialConfig]] = []
    for combination in spec.combinations:
        choices = [
            list(enumerate(domain.values))
            for domain in combination.open.values()
            if isinstance(domain, Categorical)
        ]
        if len(choices) != len(combination.open):
            raise ValueError(f"{combination.label}: expected choices only")
        for picked in itertools.product(*choices):
            named = dict(zip(combination.open, picked, strict=True))
            late = named["training.learning_rate"][0] if "training.learning_rate" in named else 0
            keyed.append(
                (
                    (late, combination.template.quantization.kind != "none"),
                    combination.config({name: value for name, (_, value) in named.items()}),
                )
            )
    return tuple(
        config for _, config in sorted(keyed, key=lambda pair: (pair[0], pair[1].config_id))
    )


def jobs(spec: SweepSpec, n_repeated: int, n_seeds: int) -> Iterator[tuple[TrialConfig, int]]:
    """Configurations and seeds in the order of training.

    The first half of the grid, a sample of that half with further seeds, then the rest of the grid.
    The sample is ordered by reversed config_id, which is as good as random.
    """
    configs = grid(spec)
    half = configs[: (len(configs) + 1) // 2]
    yield from ((config, 0) for config in half)
    sample = sorted(half, key=lambda config: config.config_id[::-1])[:n_repeated]
    yield from ((config, seed) for seed in range(1, n_seeds) for config in sample)
    yield from ((config, 0) for config in configs[len(half) :])


def rungs(steps: int) -> tuple[int, ...]:
    """Steps at which a trial is measured: a geometric ladder that ends at `steps`."""
    return tuple(max(1, round(steps / ETA**i)) for i in reversed(range(N_RUNGS)))


def point_row(point: Point) -> dict[str, float]:
    """The figures of a point that the table stores."""
    density = point.density
    figures = {
        "threshold": point.threshold,
        "score": point.score.value,
        "standard_error": point.score.standard_error,
        "loss": point.loss,
        "encoder_density": density.encoder,
        "decoder_density": density.decoder,
    }
    return {name: round(value, 6) for name, value in figures.items() if not math.isnan(value)}


def train(spec: SweepSpec, folder: Path, n_repeated: int, n_seeds: int, until: float) -> None:
    from deft_sweeps.trial.cost import tensor_bytes
    from deft_sweeps.trial.run import TorchTrialRun
    from deft_sweeps.trial.run_provenance import provenance
    from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory

    starter = TorchTrialStarterFactory(spec.evaluation, n_threads=1, n_bases=8)()
    thresholds = spec.evaluation.thresholds[1:]
    every = list(jobs(spec, n_repeated, n_seeds))
    for number, (config, seed) in enumerate(every):
        path = folder / f"{config.trial_id(seed)}.json"
        if time.time() > until:
            return
        taken = path.with_suffix(".lock").open(
            "a"
        )  # Held until the next one, or until this process ends, however it ends.
        try:
            fcntl.flock(taken, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        if path.exists():
            continue
        began, cpu = time.time(), time.process_time()
        run = starter(config, seed)
        assert isinstance(run, TorchTrialRun)
        rows = []
        for rung in rungs(config.training.steps):
            trained = run.advance(rung - run.steps_done)
            rows.append(
                {
                    "step": trained.step,
                    "train_sec": round(run.train_time_sec, 2),
                    "points": [point_row(p) for p in run.measure(thresholds)],
                }
            )
        made = {
            "trial_id": config.trial_id(seed),
            "config": codec(TrialConfig).dump_python(config, mode="json"),
            "seed": seed,
            "rungs": rows,
            "n_examples": len(run.data.validation),
            "weight_bytes": tensor_bytes(run.trial_model.model),
            "cpu_sec": round(time.process_time() - cpu, 1),
            "wall_sec": round(time.time() - began, 1),
            "provenance": codec(Provenance).dump_python(
                provenance(starter.device, run.data.fingerprint, run.trial_model.base.revision),
                mode="json",
            ),
        }
        write_atomically(path, json.dumps(made).encode())
        print(
            f"{number + 1}/{len(every)} {made['cpu_sec']:.0f} s {label(config)}: "
            f"{rows[-1]['points']}",
            flush=True,
        )


def pack(spec: SweepSpec, folder: Path, into: Path) -> int:
    """Writes the table and returns the number of its trainings."""
    wanted = {config.config_id for config in grid(spec)}
    rows = [json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))]
    rows = [row for row in rows if row["trial_id"].split("-")[0] in wanted]
    lines = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
    write_atomically(into, gzip.compress(lines.encode(), mtime=0))
    return len(rows)


def unpack(table: Path, folder: Path) -> None:
    """Writes the table's trainings to the folder, so that another machine can extend it."""
    for line in gzip.decompress(table.read_bytes()).splitlines() if table.exists() else ():
        path = folder / f"{json.loads(line)['trial_id']}.json"
        if not path.exists():
            write_atomically(path, line)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="of a space in benchmarks/tables")
    parser.add_argument("--minutes", type=float, default=1e9, help="start no training after these")
    parser.add_argument(
        "--repeated", type=int, default=16, help="configurations trained with every seed"
    )
    parser.add_argument("--seeds", type=int, default=3, help="of those")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/tables"), help="folder of the trainings"
    )
    arguments = parser.parse_args()
    spec = load_spec(TABLES / f"{arguments.name}.yaml")
    folder = arguments.work / arguments.name
    folder.mkdir(parents=True, exist_ok=True)
    table = TABLES / f"{arguments.name}.jsonl.gz"
    unpack(table, folder)
    train(spec, folder, arguments.repeated, arguments.seeds, time.time() + 60 * arguments.minutes)
    n = pack(spec, folder, table)
    print(
        f"{n} trainings of {len(list(jobs(spec, arguments.repeated, arguments.seeds)))} in "
        f"{arguments.name}.jsonl.gz"
    )


if __name__ == "__main__":
    main()
