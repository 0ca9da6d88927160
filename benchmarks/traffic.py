"""Checkpoints and reports of a thousand trials at a time, computed from measured parts.

    python -m benchmarks.traffic [--trials 1000] [--minutes 10] [--megabytes 4.2]

Measured here: the time to write a checkpoint and a result durably, their bytes, and the driver's
CPU time for a trial and for a report, from two sweeps on a real Ray of two workers whose trials
report once and ten times. Computed: what so many trials at a time, of so many minutes each, ask of
the driver and of the sweep's folder, and which of the two is used up first. A checkpoint of LoRA
r 8 on FLAN-T5-small's q and v is 4.2 MB: the weights and two moments of AdamW in float32.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.scale import NoLength, each, in_own_process, sweep
from benchmarks.search import closed_form
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.unfinished_trial import UnfinishedTrial
from deft_sweeps.sweep.checkpoint_interval import CheckpointCost, automatic_interval
from deft_sweeps.sweep.report_steps import N_REPORTS

N_MEASURED, N_WRITES, N_EXAMPLES = 100, 9, 400


@dataclass(frozen=True, slots=True)
class Parts:
    """What one of each takes.

    Attributes:
        report_sec, trial_sec: CPU time of the driver, for a report, and for a trial besides.
        result_sec, checkpoint_sec: to write one durably on this disk.
    """

    report_sec: float
    trial_sec: float
    result_sec: float
    checkpoint_sec: float
    result_bytes: int
    checkpoint_bytes: int


@dataclass(frozen=True, slots=True)
class Load:
    """What a number of trials at a time ask for.

    Attributes:
        driver, folder: share of the time in which each is busy; beyond 1 trials wait for it.
        bytes_per_sec: into the folder.
        interval_sec: between two checkpoints of a trial.
    """

    driver: float
    folder: float
    bytes_per_sec: float
    interval_sec: float


def load(parts: Parts, n_trials: int, trial_sec: float) -> Load:
    """What `n_trials` at a time of `trial_sec` each ask of the driver and of the folder.

    The driver has one thread. The folder is taken to write one file after another.
    """
    ends_per_sec = n_trials / trial_sec
    driver_sec = parts.trial_sec + N_REPORTS * parts.report_sec + parts.result_sec
    cost = CheckpointCost(parts.checkpoint_sec, parts.checkpoint_sec)
    interval_sec = automatic_interval(cost, n_trials)
    # Looked at with each report only.
    n_checkpoints = trial_sec // max(interval_sec, trial_sec / N_REPORTS)
    folder_sec = n_checkpoints * parts.checkpoint_sec + parts.result_sec
    n_bytes = n_checkpoints * parts.checkpoint_bytes + parts.result_bytes
    return Load(
        ends_per_sec * driver_sec, ends_per_sec * folder_sec, ends_per_sec * n_bytes, interval_sec
    )


def measured(checkpoint_bytes: int) -> Parts:
    """Each part, on this machine."""
    once, often = (
        each(in_own_process(sweep, N_MEASURED, "random", "auto", N_EXAMPLES, is_once))[0] / 1e3
        for is_once in (True, False)
    )
    report_sec = max(0.0, often - once) / (N_REPORTS - 1)
    problem = closed_form.make("bent")
    config = problem.spec.combinations[0].template
    result = NoLength(problem, n_examples=N_EXAMPLES).start(config, 0, None).finish()
    with tempfile.TemporaryDirectory() as folder:
        written = SweepDir(Path(folder))
        attempt = UnfinishedTrial(written, result.trial_id).begin()
        state = bytes(checkpoint_bytes)
        result_sec = typical(lambda: written.write(result))
        checkpoint_sec = typical(lambda: attempt.write_checkpoint(state))
    return Parts(
        report_sec,
        once - report_sec - result_sec,
        result_sec,
        checkpoint_sec,
        len(result.to_json()),
        checkpoint_bytes,
    )


def typical(write: Callable[[], object]) -> float:
    """Median of the seconds that a write takes."""
    took = []
    for _ in range(N_WRITES):
        began = time.perf_counter()
        write()
        took.append(time.perf_counter() - began)
    return median(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--trials", type=int, default=1000, help="at a time")
    parser.add_argument("--minutes", type=float, default=10.0, help="of one trial")
    parser.add_argument("--megabytes", type=float, default=4.2, help="of a checkpoint")
    arguments = parser.parse_args()
    parts = measured(round(1e6 * arguments.megabytes))
    print(
        f"measured: a report {1e3 * parts.report_sec:.1f} ms and a trial besides"
        f" {1e3 * parts.trial_sec:.1f} ms of the driver's CPU; a result of"
        f" {parts.result_bytes / 1e3:.1f} kB {1e3 * parts.result_sec:.1f} ms and a checkpoint of"
        f" {parts.checkpoint_bytes / 1e6:.1f} MB {1e3 * parts.checkpoint_sec:.1f} ms to write"
    )
    need = load(parts, arguments.trials, 60.0 * arguments.minutes)
    print(
        f"computed for {arguments.trials} trials at a time of {arguments.minutes:g} min: the driver"
        f" is busy {100 * need.driver:.0f} % of the time and the folder {100 * need.folder:.0f} %"
        f" ({need.bytes_per_sec / 1e6:.1f} MB/s); a checkpoint every {need.interval_sec:.0f} s"
    )
    first = "the driver" if need.driver > need.folder else "the folder"
    busiest = max(need.driver, need.folder)
    print(
        f"{first} limits first: at {arguments.trials / busiest:.0f} trials at a time of that length"
    )


if __name__ == "__main__":
    main()
