"""The end of a sweep: what the choice is to be compared with, and its measurement on examples that
nothing has seen.
"""

from collections.abc import Iterator, Sequence

import ray

from deft_sweeps.findings.choice import Choice
from deft_sweeps.findings.equal_density import twin_config
from deft_sweeps.findings.front_member import MeasuredTraining
from deft_sweeps.result import CompleteTrial, FinalMeasurement, Point, TrialResult, complete_trials
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.search_settings import Budget
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep.local_ray import ray_session
from deft_sweeps.trial.final_measurement import FinalJob, measure_final
from deft_sweeps.trial.torch_starter import TorchTrialStarterFactory


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


def final_jobs(
    sweep: SweepDir, choice: Choice, results: Sequence[TrialResult]
) -> tuple[FinalJob, ...]:
    """The chosen member, the best plain PEFT, and the twin thresholded to the chosen one's density;
    none where nothing is chosen.
    """
    if choice.member is None:
        return ()
    chosen, point = choice.member.result, choice.member.point
    jobs = [
        _job(
            "chosen",
            sweep,
            chosen,
            threshold=point.threshold,
            percentile=point.percentile,
            by_block=point.block_thresholds,
        )
    ]
    baseline = choice.baseline
    if baseline is not None and baseline.name != choice.member.name:
        jobs.append(_job("baseline", sweep, baseline.result, threshold=baseline.point.threshold))
    twin = twin_of(choice, results)
    if twin is not None:
        # Thresholded in the chosen one's way, so that the two differ in the density loss alone.
        jobs.append(
            _job("twin", sweep, twin, density=point.density.overall, percentile=point.percentile)
        )
    return tuple(jobs)


def already_measured(jobs: Sequence[FinalJob], finals: Sequence[FinalMeasurement]) -> bool:
    """Whether the test split was read for just these jobs before."""
    by_role = {final.role: final for final in finals}
    return [job.role for job in jobs] == [final.role for final in finals] and all(
        by_role[job.role].trial_id == job.config.trial_id(job.seed)
        and _is_at(by_role[job.role].point, job)
        for job in jobs
    )


def _is_at(point: Point, job: FinalJob) -> bool:
    """Whether the point is the job's; where that is calibrated to a density, any of its kind is."""
    if job.threshold is None:
        return (point.percentile is None) == (job.percentile is None)
    return (point.threshold, point.percentile) == (job.threshold, job.percentile)


def measure(
    jobs: Sequence[FinalJob], spec: SweepSpec, *, ray_address: str | None = None
) -> Iterator[FinalMeasurement]:
    """Measure one after the other, each alone in a process of its own: with all cores of this
    machine, or what a trial gets on a cluster.
    """
    with ray_session(spec.budget, address=ray_address):
        n_cpus = (
            spec.budget.cpus_per_trial
            if ray_address
            else max(1, int(ray.cluster_resources().get("CPU", 1)))
        )
        alone = ray.remote(
            max_calls=1, max_retries=2, num_cpus=n_cpus, num_gpus=_gpus(spec.budget)
        )(measure_final)
        maker = TorchTrialStarterFactory(
            spec.evaluation, n_threads=n_cpus, label="measured", n_bases=1, folder=spec.folder
        )
        for job in jobs:
            yield ray.get(
                alone.options(runtime_env={"env_vars": {"OMP_NUM_THREADS": str(n_cpus)}}).remote(
                    job, maker
                )
            )


def _gpus(budget: Budget) -> float:
    # Nothing else may share the device while its latency is taken.
    return float(max(1, round(budget.gpus_per_trial))) if budget.gpus_per_trial > 0 else 0.0


def _job(
    role: str,
    sweep: SweepDir,
    result: MeasuredTraining,
    *,
    threshold: float | None = None,
    density: float | None = None,
    percentile: float | None = None,
    by_block: tuple[float, ...] = (),
) -> FinalJob:
    weights = sweep.weights_path(result.trial_id).read_bytes()
    match role:
        case "chosen" | "baseline" | "twin":
            return FinalJob(
                role, result.config, result.seed, weights, threshold, density, percentile, by_block
            )
    raise ValueError(f"no role {role}")
