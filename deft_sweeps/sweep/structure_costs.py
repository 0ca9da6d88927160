"""Measures latency and memory alone, once a structure, where a sweep asks for them."""

from collections.abc import Callable

from deft_sweeps.findings.measured_cost import costs_in, needs_measured_costs, unmeasured_structures
from deft_sweeps.result import CompleteTrial, StructureCost
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.cost_record import CostRecord
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep import final
from deft_sweeps.sweep.measurement_process import Unmeasured
from deft_sweeps.sweep.measuring_note import measuring


def measure_costs(
    spec: SweepSpec,
    sweep: SweepDir,
    say: Callable[[str], None],
    ray_address: str | None = None,
) -> None:
    """Measure each structure that was not measured yet, if an objective, a limit or the policy asks
    for latency or memory.

    Args:
        spec: of the sweep.
        sweep: its folder.
        say: is told what happens, in a line.
        ray_address: of a Ray cluster; None starts a local Ray.
    """
    trials = trials_to_measure(spec, sweep)
    if not trials:
        return
    record = CostRecord(sweep.root)
    say(f"latency and memory: {len(trials)} structures, each measured alone")
    ready, unmeasured = final.with_weights(sweep, [final.cost_job(trial) for trial in trials])
    for lost in unmeasured:
        say(_lost_told(lost))
    with measuring(sweep) as beat:
        for cost in final.measure_structures(ready, spec, sweep, ray_address=ray_address):
            beat()
            if not isinstance(cost, StructureCost):
                say(_lost_told(cost))
                continue
            record.write(cost)
            say(
                f"{cost.trial_id}: latency {1e3 * cost.latency_sec:.3g} ms, peak memory"
                f" {cost.peak_memory_bytes / 2**20:.1f} MiB, measured alone"
            )


def trials_to_measure(spec: SweepSpec, sweep: SweepDir) -> tuple[CompleteTrial, ...]:
    """A trial of each structure that was not measured yet, if latency or memory is asked for, or a
    runtime is named.
    """
    if spec.deploy is None and not needs_measured_costs(spec.compared):
        return ()
    costs = costs_in(spec.deploy, CostRecord(sweep.root).costs())
    return tuple(unmeasured_structures(sweep.results(), costs))


def _lost_told(lost: Unmeasured) -> str:
    return f"warning: the latency and memory of {lost.trial_id} stay proxies: {lost.reason}"
