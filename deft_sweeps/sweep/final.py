"""The end of a sweep: what the choice is to be compared with, and its measurement on examples that
nothing has seen.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace

from deft_sweeps.deploy.trial_measurement import TrialMeasurement
from deft_sweeps.errors import StoreError
from deft_sweeps.findings.choice import Choice
from deft_sweeps.findings.equal_density import twin_config
from deft_sweeps.findings.front_member import MeasuredTraining
from deft_sweeps.findings.measured_cost import deployed_structure
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
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.weights_file import read_weights
from deft_sweeps.sweep.measurement_process import Unmeasured, measured_alone
from deft_sweeps.trial.final_job import FinalJob


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
        jobs.append(
            replace(
                _job("twin", twin, density=point.density.overall, percentile=point.percentile),
                measured=_measured(twin, by_percentile=point.percentile is not None),
            )
        )
    return tuple(jobs)


def _measured(trial: CompleteTrial, *, by_percentile: bool) -> tuple[tuple[float, float], ...]:
    """Where a trial was measured in its search: the threshold or percentile, and the density."""
    measured = []
    for point in trial.points:
        at = point.percentile if by_percentile else point.threshold
        if at is not None and (point.percentile is not None) == by_percentile:
            measured.append((at, point.density.overall))
    return tuple(measured)


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
    """Measure the jobs with all cores of this machine, or what a trial gets on a cluster; in the
    runtime that the spec deploys to. Each structure has a fresh process of its own, alone; with a
    runtime, each job has. After a chosen one that cannot be measured, the others are not.
    """
    groups = _alone(jobs) if spec.deploy else _by_structure(jobs, sweep)
    yield from measured_alone(TrialMeasurement(sweep, spec).finals, groups, spec, ray_address)


def measure_structures(
    jobs: Sequence[FinalJob], spec: SweepSpec, sweep: SweepDir, *, ray_address: str | None = None
) -> Iterator[StructureCost | Unmeasured]:
    """Latency and memory of each job's structure, each in a fresh process, alone."""
    measurement = TrialMeasurement(sweep, spec).structures
    yield from measured_alone(measurement, _alone(jobs), spec, ray_address)


def _alone(jobs: Sequence[FinalJob]) -> list[tuple[FinalJob, ...]]:
    return [(job,) for job in jobs]


def _by_structure(jobs: Sequence[FinalJob], sweep: SweepDir) -> list[list[FinalJob]]:
    """The jobs whose trials share a structure together, in the order of the first of each."""
    groups: dict[Hashable, list[FinalJob]] = {}
    for job in jobs:
        trial = sweep.result(job.trial_id)
        if isinstance(trial, CompleteTrial):
            groups.setdefault(deployed_structure(trial), []).append(job)
    return list(groups.values())


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
