"""`python -m benchmarks.makespan`; see the package."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from benchmarks.makespan.agreement import agreement, seed_spread
from benchmarks.makespan.makespan_table import by_name, like_for_like, lines
from benchmarks.makespan.sides import OURS, SideRun, run_ours, run_script
from benchmarks.makespan.workload import Workload
from deft_sweeps.specification.compute_dtype import fast_dtype

QUICK = {"pairs": 1, "trials": 2, "steps": 4}
USUAL = {"pairs": 3, "trials": 8, "steps": 20}
CHECK_STEPS = 4
VARIANTS: dict[str, tuple[bool, ...]] = {
    "fresh": (False,),
    "reused": (True,),
    "both": (False, True),
}


def main() -> None:
    """Runs the pairs, prints the tables; exit code 1 if the sides did not train the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one pair of 2 trials x 4 steps")
    for name, value in USUAL.items():
        parser.add_argument(f"--{name}", type=int, help=f"default {value}")
    parser.add_argument("--at-once", type=int, default=2, help="trials at a time")
    parser.add_argument("--dtype", choices=("auto", "fp32", "bf16"), default="auto")
    parser.add_argument(
        "--script", choices=tuple(VARIANTS), default="both", help="the script's processes"
    )
    parser.add_argument(
        "--check", action="store_true", help="a small float32 pair first, whose losses must agree"
    )
    given = parser.parse_args()
    # As Ctrl-C does: what a side has started is ended before this program ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sizes = QUICK if given.quick else USUAL
    n_pairs, n_trials, steps = (getattr(given, name) or value for name, value in sizes.items())
    dtype = fast_dtype(on_gpu=False) if given.dtype == "auto" else given.dtype
    workload = Workload(n_trials=n_trials, steps=steps, at_once=given.at_once, dtype=dtype)
    variants = VARIANTS[given.script]
    counts = not given.check or float32_agrees(workload)
    spread = None if dtype == "fp32" else seed_spread(workload.configs()[0])
    print(
        f"{n_trials} trials of {steps} steps, {given.at_once} at a time, {dtype},"
        f" {len(workload.thresholds)} thresholds x {workload.n_validation} examples,"
        f" {n_pairs} pairs",
        flush=True,
    )
    runs = [run for number in range(n_pairs) for run in one_round(workload, variants, number)]
    for name, of_side in by_name(runs).items():
        if name != OURS:
            counts &= all_agree(by_name(runs)[OURS], of_side, spread)
    if not given.check and dtype != "fp32":
        print("float32 agreement was not checked in this run (--check does)")
    print("", *lines(runs, OURS), sep="\n")
    if not counts:
        print("DOES NOT COUNT: the sides did not train the same")
    sys.exit(0 if counts else 1)


def one_round(workload: Workload, variants: Sequence[bool], number: int) -> list[SideRun]:
    """Each side once, in an order that turns from round to round."""
    sides: list[Callable[[], SideRun]] = [
        *((lambda reuse=reuse: run_script(workload, reuse_actors=reuse)) for reuse in variants),
        lambda: run_ours(workload),
    ]
    order = sides if number % 2 == 0 else sides[::-1]
    return [_shown(side()) for side in order]


def all_agree(ours: Sequence[SideRun], script: Sequence[SideRun], spread: float | None) -> bool:
    """Whether every pair's losses agree; says so."""
    each = [agreement(a.trials, b.trials, spread) for a, b in zip(ours, script, strict=True)]
    worst = max(each, key=lambda one: one.difference)
    print(f"{script[0].name}: {worst}")
    return all(one.holds for one in each)


def float32_agrees(workload: Workload) -> bool:
    """A pair of a few steps in float32, whose times do not count."""
    small = replace(
        workload,
        dtype="fp32",
        steps=min(workload.steps, CHECK_STEPS),
        thresholds=(0.0, 0.5),
        n_validation=64,
        n_test=64,
    )
    script, ours = run_script(small, reuse_actors=False), run_ours(small)
    print(f"float32, {small.n_trials} trials of {small.steps} steps; ", end="")
    return all_agree([ours], [script], None)


def _shown(run: SideRun) -> SideRun:
    whole, alike = run.whole, like_for_like(run)
    parts = ", ".join(f"{name} {one.wall:.1f}" for name, one in run.phases.items())
    print(
        f"{run.name}: {whole.wall:.1f} s wall, {whole.cpu:.1f} s CPU ({parts});"
        f" like for like {alike.wall:.1f}; {run.n_twins} twins, {run.n_finals} final measurements;"
        f" other programs {run.other_load:.0%} of the cores",
        flush=True,
    )
    return run


if __name__ == "__main__":
    main()
