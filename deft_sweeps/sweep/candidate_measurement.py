"""Measures the certificate's candidates on the selection split."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from deft_sweeps.errors import StoreError
from deft_sweeps.findings.measured_cost import with_measured_costs
from deft_sweeps.result import (
    Candidate,
    CompleteTrial,
    Cost,
    FinalMeasurement,
    complete_trials,
)
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.cost_record import CostRecord
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep import final
from deft_sweeps.sweep.measurement_process import Unmeasured, score_process
from deft_sweeps.trial.final_job import FinalJob

MeasureCandidate = Callable[[Candidate], FinalMeasurement]
"""Raises StoreError if the candidate cannot be measured."""


@contextmanager
def candidate_measurement(
    spec: SweepSpec, sweep: SweepDir, ray_address: str | None
) -> Iterator[MeasureCandidate]:
    """Measures one candidate after the other.

    Only a candidate's score is measured here. Its costs are those of its structure if they were
    measured, which they are if a limit names one; otherwise they are its trial's proxies. If the
    spec names a runtime, score and costs are measured in it, each candidate in a fresh process.

    Args:
        spec: of the sweep.
        sweep: its folder.
        ray_address: of a Ray cluster; None starts a local Ray.
    """
    if spec.deploy is not None:
        yield lambda candidate: _deployed(candidate, spec, sweep, ray_address)
        return
    costs = _costs(sweep)
    with score_process(spec, ray_address) as score:

        def measure(candidate: Candidate) -> FinalMeasurement:
            job, trial = _ready_job(sweep, candidate)
            scored = score(job)
            if isinstance(scored, Unmeasured):
                raise StoreError(str(scored))
            cost = costs[trial.trial_id]
            if cost is None:
                raise StoreError(f"{trial.trial_id} has no costs")
            point, provenance = scored
            return FinalMeasurement(
                role=job.role,
                trial_id=trial.trial_id,
                point=point,
                cost=cost,
                provenance=provenance,
            )

        yield measure


def _costs(sweep: SweepDir) -> dict[str, Cost | None]:
    """Of each trial: measured alone if its structure was, else proxies."""
    results = with_measured_costs(sweep.results(), CostRecord(sweep.root).costs())
    return {trial.trial_id: trial.cost for trial in complete_trials(results)}


def _deployed(
    candidate: Candidate, spec: SweepSpec, sweep: SweepDir, ray_address: str | None
) -> FinalMeasurement:
    job, _ = _ready_job(sweep, candidate)
    for measured in final.measure((job,), spec, sweep, ray_address=ray_address):
        if isinstance(measured, FinalMeasurement):
            return measured
        raise StoreError(str(measured))
    raise StoreError(f"{job.trial_id}: nothing was measured")


def _ready_job(sweep: SweepDir, candidate: Candidate) -> tuple[FinalJob, CompleteTrial]:
    """The candidate's measurement with its weights, and its trial."""
    trial = sweep.result(candidate.trial_id)
    if not isinstance(trial, CompleteTrial):
        raise StoreError(f"{candidate.trial_id} is no complete trial")
    ready, unmeasured = final.with_weights(sweep, (final.candidate_job(candidate, trial),))
    for lost in unmeasured:
        raise StoreError(str(lost))
    return ready[0], trial
