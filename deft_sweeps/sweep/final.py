"""The end of a sweep: what the choice is to be compared with, and its measurement on examples that
nothing has seen.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from deft_sweeps.deploy.trial_measurement import TrialMeasurement
from deft_sweeps.errors import StoreError
from deft_sweeps.findings.choice import Choice
from deft_sweeps.findings.equal_density import twin_config
from deft_sweeps.findings.front_member import MeasuredTraining
from deft_sweeps.result import (
    Candidate,
    CompleteTrial,
    FinalMeasurement,
    FinalRole,
    Point,
    StructureCost,
    TrialResult,
    complete_trials,
)
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.search_settings import Budget
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.secrets import short_reason
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.weights_file import read_weights
from deft_sweeps.sweep.local_ray import Session, ray_session
from deft_sweeps.sweep.node_watch import node_watch
from deft_sweeps.sweep.trial_placement import elsewhere
from deft_sweeps.sweep.trial_slots import trial_needs
from deft_sweeps.sweep.worker_settings import call, shipped
from deft_sweeps.trial.final_job import FinalJob
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory

Measurement = TypeVar("Measurement")


def twin_of(choice: Choice, results: Sequence[TrialResult]) -> CompleteTrial | None:
    """Plain PEFT of the same other settings as the chosen DEFT configuration, of its seed where
    there is one; None where it is not run, or where the chosen one is plain PEFT itself.
    """
    if choice.member is None or not choice.member.result.config.has_density_loss:
        return None
    chosen = choice.member.result
    config_id = twin_config(chosen.config).config_id
    twins = [result for result in complete_trials(results) if result.config_id == config_id]
    return min(twins, key=lambda twin: (twin.seed != chosen.seed, twin.seed), default=None)


def missing_twin(spec: SweepSpec, choice: Choice, results: Sequence[TrialResult]) -> Start | None:
    """The twin as a point still to run; None where it is there, is not needed, has failed before,
    or is not in the space.
    """
    if choice.member is None or not choice.member.result.config.has_density_loss:
        return None
    twin = twin_config(choice.member.result.config)
    tried = any(result.config_id == twin.config_id for result in results)
    return None if tried else spec.locate(twin)


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


def final_jobs(choice: Choice, results: Sequence[TrialResult]) -> tuple[FinalJob, ...]:
    """The chosen member, the baseline, and the twin thresholded to the chosen one's density;
    none where nothing is chosen. Their weights are not read yet.
    """
    if choice.member is None:
        return ()
    chosen, point = choice.member.result, choice.member.point
    jobs = [
        _job(
            "chosen",
            chosen,
            threshold=point.threshold,
            percentile=point.percentile,
            by_block=point.block_thresholds,
        )
    ]
    baseline = choice.baseline
    if baseline is not None and baseline.name != choice.member.name:
        jobs.append(_job("baseline", baseline.result, threshold=baseline.point.threshold))
    twin = twin_of(choice, results)
    if twin is not None:
        # Thresholded in the chosen one's way, so that the two differ in the density loss alone.
        jobs.append(_job("twin", twin, density=point.density.overall, percentile=point.percentile))
    return tuple(jobs)


def candidate_job(candidate: Candidate, result: CompleteTrial) -> FinalJob:
    """A candidate of the certificate, to be measured on the selection split."""
    return _job(
        "candidate",
        result,
        threshold=candidate.threshold,
        percentile=candidate.percentile,
        by_block=candidate.block_thresholds,
    )


def cost_job(result: CompleteTrial) -> FinalJob:
    """A trial whose structure's latency and memory are to be measured."""
    return _job("candidate", result, threshold=0.0)


def with_weights(
    sweep: SweepDir, jobs: Sequence[FinalJob]
) -> tuple[tuple[FinalJob, ...], tuple[Unmeasured, ...]]:
    """The jobs whose weights are there, and the others. If the chosen one's are not, no job is
    left: the others would be held against nothing.
    """
    ready: list[FinalJob] = []
    unmeasured: list[Unmeasured] = []
    for job in jobs:
        try:
            weights = read_weights(sweep.weights_path(job.trial_id))
        except StoreError as error:
            unmeasured.append(Unmeasured(job.role, job.trial_id, str(error)))
            if job.role == "chosen":
                return (), tuple(unmeasured)
        else:
            ready.append(replace(job, weights=weights))
    return tuple(ready), tuple(unmeasured)


def already_measured(jobs: Sequence[FinalJob], finals: Sequence[FinalMeasurement]) -> bool:
    """Whether the test split was read for just these jobs before."""
    by_role = {final.role: final for final in finals}
    return [job.role for job in jobs] == [final.role for final in finals] and all(
        is_of(by_role[job.role], job) for job in jobs
    )


def is_of(final: FinalMeasurement, job: FinalJob) -> bool:
    """Whether a measurement is of just this job."""
    return (final.role, final.trial_id) == (job.role, job.trial_id) and _is_at(final.point, job)


def _is_at(point: Point, job: FinalJob) -> bool:
    """Whether the point is the job's; where that is calibrated to a density, any of its kind is."""
    if job.threshold is None:
        return (point.percentile is None) == (job.percentile is None)
    return (point.threshold, point.percentile) == (job.threshold, job.percentile)


def measure(
    jobs: Sequence[FinalJob], spec: SweepSpec, sweep: SweepDir, *, ray_address: str | None = None
) -> Iterator[FinalMeasurement | Unmeasured]:
    """Measure one after the other, each alone in a process of its own: with all cores of this
    machine, or what a trial gets on a cluster; in the runtime that the spec deploys to. After a
    chosen one that cannot be measured, the others are not.
    """
    yield from _alone(TrialMeasurement(sweep, spec).final, jobs, spec, ray_address)


def measure_structures(
    jobs: Sequence[FinalJob], spec: SweepSpec, sweep: SweepDir, *, ray_address: str | None = None
) -> Iterator[StructureCost | Unmeasured]:
    """Latency and memory of each job's structure, measured as `measure` does."""
    yield from _alone(TrialMeasurement(sweep, spec).structure, jobs, spec, ray_address)


def _alone(
    measurement: Callable[[FinalJob, TorchTrialStarterFactory], Measurement],
    jobs: Sequence[FinalJob],
    spec: SweepSpec,
    ray_address: str | None,
) -> Iterator[Measurement | Unmeasured]:
    with (
        ray_session(spec.budget, address=ray_address) as session,
        _placement(spec, session) as label_selector,
    ):
        n_cpus = (
            spec.budget.cpus_per_trial
            if ray_address
            else max(1, int(ray.cluster_resources().get("CPU", 1)))
        )
        alone = ray.remote(
            max_calls=1, max_retries=2, num_cpus=n_cpus, num_gpus=_gpus(spec.budget)
        )(call)
        maker = TorchTrialStarterFactory(
            spec.evaluation, n_threads=n_cpus, label="measured", n_bases=1, folder=spec.folder
        )
        for job in jobs:
            options = {
                "runtime_env": {"env_vars": {"OMP_NUM_THREADS": str(n_cpus)}},
                "label_selector": label_selector(),
            }
            # Through the object store: Ray writes small arguments into its tables.
            measuring = ray.put(shipped(measurement, job, maker))
            measured: Measurement | Unmeasured = _result_of(
                job, alone.options(**options).remote(measuring)
            )
            yield measured
            if job.role == "chosen" and isinstance(measured, Unmeasured):
                return


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
        measured = ray.get(reference)
    except RayError as error:  # Weights of another configuration, say, or a worker that was killed.
        cause = error.cause if isinstance(error, RayTaskError) else error
        return Unmeasured(job.role, job.trial_id, short_reason(cause))
    return measured


def _gpus(budget: Budget) -> float:
    # Nothing else may share the device while its latency is taken.
    return float(max(1, round(budget.gpus_per_trial))) if budget.gpus_per_trial > 0 else 0.0


def _job(
    role: FinalRole,
    result: MeasuredTraining,
    *,
    threshold: float | None = None,
    density: float | None = None,
    percentile: float | None = None,
    by_block: tuple[float, ...] = (),
) -> FinalJob:
    return FinalJob(
        role,
        result.config,
        result.seed,
        threshold=threshold,
        density=density,
        percentile=percentile,
        block_thresholds=by_block,
    )
