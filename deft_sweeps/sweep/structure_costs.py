"""Measures latency and memory alone, once a structure, where a sweep asks for them."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from deft_sweeps.findings.measured_cost import needs_measured_costs, unmeasured_structures
from deft_sweeps.result import StructureCost
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.cost_record import CostRecord
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep import final
from deft_sweeps.trial.final_measurement import FinalJob


def measure_costs(
    spec: SweepSpec,
    sweep: SweepDir,
    measure: Callable[[FinalJob], StructureCost],
    say: Callable[[str], None],
    measuring: Callable[[], AbstractContextManager[Callable[[], None]]],
) -> None:
    """Measure each structure that was not measured yet, if an objective, a limit or the policy asks
    for latency or memory.

    Args:
        spec: of the sweep.
        sweep: its folder.
        measure: one structure, alone in a fresh process.
        say: is told what happens, in a line.
        measuring: entered while structures are measured; gives what shows that the driver lives.
    """
    if not needs_measured_costs(spec.compared):
        return
    record = CostRecord(sweep.root)
    trials = unmeasured_structures(sweep.results(), record.costs())
    if not trials:
        return
    say(f"latency and memory: {len(trials)} structures, each measured alone")
    with measuring() as beat:
        for trial in trials:
            cost = measure(final.cost_job(sweep, trial))
            record.write(cost)
            beat()
            say(
                f"{trial.trial_id}: latency {1e3 * cost.latency_sec:.3g} ms, peak memory"
                f" {cost.peak_memory_bytes / 2**20:.1f} MiB, measured alone"
            )
