"""Processes in which trained trials are measured, with nothing else beside them on this machine."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from deft_sweeps.projection.trial_request import trial_needs
from deft_sweeps.result import Point, Provenance
from deft_sweeps.specification.search_settings import Budget
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.secrets import short_reason
from deft_sweeps.sweep.automatic_gpus import with_automatic_gpus
from deft_sweeps.sweep.local_ray import Session, ray_session
from deft_sweeps.sweep.node_watch import node_watch
from deft_sweeps.sweep.trial_placement import elsewhere
from deft_sweeps.sweep.worker_settings import ShippedCall, call, shipped
from deft_sweeps.trial.final_job import FinalJob
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory

Measurement = TypeVar("Measurement")


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """A job that could not be done.

    Attributes:
        reason: a sentence.
    """

    role: str
    trial_id: str
    reason: str

    def __str__(self) -> str:
        who = f"{self.role} ({self.trial_id})"
        split = "selection" if self.role == "candidate" else "test"
        return f"{who} is not measured on the {split} split: {self.reason}"


@contextmanager
def score_process(
    spec: SweepSpec, ray_address: str | None
) -> Iterator[Callable[[FinalJob], tuple[Point, Provenance] | Unmeasured]]:
    """Measures score and density of one job after the other, in one process that loads torch once.

    Costs are not measured there, since a process that has measured before has a lower peak.

    Args:
        spec: of the sweep.
        ray_address: of a Ray cluster; None starts a local Ray.
    """
    with _room_alone(spec, ray_address) as room:
        process = ray.remote(max_restarts=2, max_task_retries=2, **room.resources)(ScoreProcess)
        scorer = process.options(**room.options()).remote(
            shipped(replace(room.maker, shares_bases=True))
        )
        try:
            yield lambda job: _result_of(job, scorer.measure.remote(ray.put(job)))
        finally:
            ray.kill(scorer)


class ScoreProcess:
    """An actor that measures scores.

    Args:
        maker: of the starter of its trials, with the driver's settings.
    """

    def __init__(self, maker: ShippedCall) -> None:
        self._starter = call(maker)

    def measure(self, job: FinalJob) -> tuple[Point, Provenance]:
        """Score and density of a job."""
        from deft_sweeps.trial.final_measurement import measure_score

        return measure_score(job, self._starter)


@dataclass(frozen=True, slots=True)
class _Room:
    """Resources of a measurement: this whole machine, or what a trial gets on a cluster.

    Attributes:
        resources: Ray's arguments for them.
        options: Ray's other arguments for a process; called before each one starts.
        maker: of the process's TrialStarter.
    """

    resources: dict[str, float]
    options: Callable[[], dict[str, Any]]
    maker: TorchTrialStarterFactory


@contextmanager
def _room_alone(spec: SweepSpec, ray_address: str | None) -> Iterator[_Room]:
    with (
        ray_session(spec.budget, address=ray_address) as session,
        _placement(placed := with_automatic_gpus(spec, session), session) as label_selector,
    ):
        n_cpus = (
            spec.budget.cpus_per_trial
            if ray_address
            else max(1, int(ray.cluster_resources().get("CPU", 1)))
        )
        environment = {"env_vars": {"OMP_NUM_THREADS": str(n_cpus)}}
        yield _Room(
            {"num_cpus": n_cpus, "num_gpus": _gpus(placed.budget)},
            lambda: {"runtime_env": environment, "label_selector": label_selector()},
            TorchTrialStarterFactory(
                spec.evaluation, n_threads=n_cpus, label="measured", n_bases=1, folder=spec.folder
            ),
        )


def measured_alone(
    measurement: Callable[[TorchTrialStarterFactory], Callable[[FinalJob], Measurement]],
    groups: Iterable[Sequence[FinalJob]],
    spec: SweepSpec,
    ray_address: str | None,
) -> Iterator[Measurement | Unmeasured]:
    """Measure one group of jobs after the other, each group in a fresh process.

    After a chosen one that cannot be measured, the others are not.

    Args:
        measurement: is called in the process, and gives what measures a job of the group.
        groups: of jobs with their weights.
        spec: of the sweep.
        ray_address: of a Ray cluster; None starts a local Ray.
    """
    with _room_alone(spec, ray_address) as room:
        alone = ray.remote(max_calls=1, max_retries=2, **room.resources)(call)
        for group in groups:
            # Through the object store: Ray writes small arguments into its tables.
            measuring = ray.put(shipped(_measured_each, measurement, tuple(group), room.maker))
            measured = _results_of(group, alone.options(**room.options()).remote(measuring))
            yield from measured
            if any(isinstance(one, Unmeasured) and one.role == "chosen" for one in measured):
                return


def _measured_each(
    measurement: Callable[[TorchTrialStarterFactory], Callable[[FinalJob], Measurement]],
    jobs: Sequence[FinalJob],
    maker: TorchTrialStarterFactory,
) -> list[Measurement | Unmeasured]:
    """Measures each job, in the worker; an error of the first one is raised."""
    measure = measurement(maker)
    measured: list[Measurement | Unmeasured] = [measure(jobs[0])]
    for job in jobs[1:]:
        try:
            measured.append(measure(job))
        except Exception as error:  # Weights of another configuration, say.
            measured.append(Unmeasured(job.role, job.trial_id, short_reason(error)))
    return measured


@contextmanager
def _placement(spec: SweepSpec, session: Session) -> Iterator[Callable[[], dict[str, str]]]:
    """A label selector for the nodes that can measure, asked anew for each job.

    Raises:
        ConfigError: no node of a cluster can run a trial.
    """
    if session.address is None:
        yield dict
        return
    needs = trial_needs(spec)
    with node_watch(None, is_candidate=lambda node: node.slots(needs) > 0) as watch:
        watch.require(session.where)
        yield lambda: elsewhere(watch.excluded())


def _result_of(job: FinalJob, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except RayError as error:
        return _unmeasured(job, error)


def _results_of(jobs: Sequence[FinalJob], reference: Any) -> Sequence[Any]:
    try:
        measured: list[Any] = ray.get(reference)
    except RayError as error:
        return [_unmeasured(job, error) for job in jobs]
    return measured


def _unmeasured(job: FinalJob, error: RayError) -> Unmeasured:
    # Weights of another configuration, say, or a worker that was killed.
    cause = error.cause if isinstance(error, RayTaskError) else error
    return Unmeasured(job.role, job.trial_id, short_reason(cause))


def _gpus(budget: Budget) -> float:
    # Nothing else may share the device while its latency is taken.
    return 1.0 if budget.gpu_share > 0 else 0.0
