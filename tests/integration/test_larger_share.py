"""Trials that run out of memory however their batches are split, on a real Ray."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.projection.trial_request import trial_needs
from deft_sweeps.result import Advance, FailedTrial
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep.runner import run_sweep
from deft_sweeps.trial.protocol import TrialStarter
from deft_sweeps.units import size
from tests.fakes import N_STEPS, FakeMaker, FakeRun, fake_spec, plain, with_checkpoints
from tests.running import counts_are_equal, nothing_is_left

pytestmark = pytest.mark.sweeps

SPEC = with_checkpoints(fake_spec(6, first=(plain(1e-3), plain(2e-3)), max_failures=0))
HUNGRY, INSATIABLE = (SPEC.config(start) for start in SPEC.first)


@dataclass
class GreedyRun(FakeRun):
    """Cannot go beyond step 6 in what a trial usually requests, or in anything."""

    resource: str = ""
    usual: float = 0.0

    def advance(self, n_steps: int) -> Advance:
        if self.step + n_steps > 7:
            has = ray.get_runtime_context().get_assigned_resources()[self.resource]
            is_hungry = self.config.config_id == HUNGRY.config_id and has < 1.5 * self.usual
            if is_hungry or self.config.config_id == INSATIABLE.config_id:
                raise MemoryError
        return super().advance(n_steps)


@dataclass(frozen=True)
class GreedyMaker(FakeMaker):
    """Trials that look at how much they have of a resource."""

    resource: str = ""
    usual: float = 0.0

    def __call__(self) -> TrialStarter:
        def start(config: TrialConfig, seed: int, state: bytes | None) -> FakeRun:
            begun = self.start(config, seed, state)
            run = GreedyRun(config, seed, self, begun.step, begun.started_at)
            run.resource, run.usual = self.resource, self.usual
            return run

        return start


def swept(folder: Path, resource: str, usual: float, address: str | None = None) -> FailedTrial:
    """A sweep in which every trial ends but one, which is returned; `max_failures` is 0."""
    sweep, fakes = SweepDir(folder / "sweep"), GreedyMaker(folder, resource=resource, usual=usual)
    n_cpus = None if address else 2
    outcome = run_sweep(SPEC, sweep, fakes, view=lambda _: None, n_cpus=n_cpus, ray_address=address)
    assert (outcome.n_complete, outcome.n_failed) == (5, 1), outcome.messages
    hungry = HUNGRY.trial_id(0)
    assert [step for who, step in fakes.notes("start") if who == hungry] == [0, 6, 6, 6]
    assert [metrics.step for metrics in sweep.steps(hungry)] == list(range(1, N_STEPS + 1))
    assert any(m.startswith(f"{hungry} ran out of memory in ") for m in outcome.messages)
    results = {result.trial_id: result for result in sweep.results()}
    assert [each.n_micro_batches for each in results[hungry].exhaustions] == [1, 4, 16]
    counts_are_equal(SPEC, sweep)
    nothing_is_left(sweep)
    failed = results[INSATIABLE.trial_id(0)]
    assert isinstance(failed, FailedTrial)
    assert failed.infeasible
    assert [each.n_micro_batches for each in failed.exhaustions] == [1, 4, 16, 16]
    return failed


@pytest.mark.usefixtures("one_ray")
def test_on_one_machine_they_run_once_more_alone(tmp_path: Path) -> None:
    failed = swept(tmp_path, "CPU", 1.0)
    cpus = [each.share.resources["CPU"] for each in failed.exhaustions]
    assert cpus == [1.0, 1.0, 1.0, 2.0]


@pytest.mark.usefixtures("own_ray")
def test_on_a_cluster_they_run_once_more_where_there_is_twice_the_memory(tmp_path: Path) -> None:
    needs = trial_needs(SPEC)
    memory = int(needs["memory"])
    small = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    cluster = Cluster(
        initialize_head=True,
        head_node_args=small | {"include_dashboard": False, "memory": int(1.2 * memory)},
    )
    try:
        cluster.add_node(**small, memory=int(1.8 * memory))
        failed = swept(tmp_path, "memory", memory, cluster.address)
    finally:
        cluster.shutdown()
    requested = [each.share.resources["memory"] / memory for each in failed.exhaustions]
    assert requested == pytest.approx([1.0, 1.0, 1.0, 1.8], rel=1e-3)
    shares = " and in ".join(size(n * memory) for n in (1.0, 1.8))
    assert failed.error == (
        "InfeasibleTrialError: it ran out of memory with 1 example at a time in"
        f" {shares.replace(' and', ' of memory and')} of memory"
    )
