"""Walks the chain of candidates: measures each on the selection split, until one fails."""

from collections.abc import Callable, Iterator, Sequence

from deft_sweeps.errors import StoreError
from deft_sweeps.findings import Findings
from deft_sweeps.findings.certificate import Certificate, Step, make_chain, walk
from deft_sweeps.findings.verdict import too_few
from deft_sweeps.result import Candidate, Chain, CompleteTrial, FinalMeasurement, complete_trials
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.selection_record import SelectionRecord
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep import final
from deft_sweeps.sweep.measuring_note import measuring
from deft_sweeps.tasks.check import read_splits
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.location import located
from deft_sweeps.trial.final_measurement import FinalJob

Measure = Callable[[FinalJob], FinalMeasurement]


def certify(
    spec: SweepSpec,
    sweep: SweepDir,
    say: Callable[[str], None],
    ray_address: str | None = None,
) -> None:
    """Certify what the sweep may ship, as far as its selection split allows; nothing is done twice.

    Args:
        spec: of the sweep.
        sweep: its folder.
        say: is told each step in a line.
        ray_address: of a Ray cluster; None starts a local Ray.

    Raises:
        StoreError: the record of the chain cannot be read.
    """
    if not spec.splits.selection:
        return
    record = SelectionRecord(sweep.root)
    chain = record.chain()
    if chain is None:
        chain = _write_chain(spec, sweep, record)
    limits = tuple(dict.fromkeys((*spec.limits, *spec.choose.where)))
    if reason := too_few(chain, limits):
        say(f"nothing can be certified: {reason}")
        return
    if walk(chain, record.measurements()).missing is None:
        return
    say(
        f"certifying: up to {len(chain.candidates)} candidates on {chain.n_examples} selection"
        f" examples, each alone, until one fails (alpha {chain.alpha:g})"
    )
    n_said = 0

    def measure(job: FinalJob) -> FinalMeasurement:
        ready, unmeasured = final.with_weights(sweep, (job,))
        for measured in (*unmeasured, *final.measure(ready, spec, ray_address=ray_address)):
            if isinstance(measured, FinalMeasurement):
                return measured
            raise StoreError(str(measured))
        raise StoreError(f"{job.trial_id}: nothing was measured")

    with measuring(sweep) as beat:
        for certificate in _steps(sweep, chain, record, measure):
            beat()
            for step in certificate.steps[n_said:]:
                say(_told(step, chain))
            n_said = len(certificate.steps)


def _write_chain(spec: SweepSpec, sweep: SweepDir, record: SelectionRecord) -> Chain:
    findings = Findings.read(spec, sweep)
    limits = tuple(dict.fromkeys((*spec.limits, *spec.choose.where)))
    task = located(spec.combinations[0].template, spec.folder).task
    selection = read_splits(task).selection
    chain = make_chain(
        findings.pool_for(spec.choose),
        findings.baselines,
        spec.choose,
        limits,
        n_examples=len(selection),
        alpha=spec.alpha,
        n_looks=_n_looks(spec, findings),
        groups=_groups(selection),
    )
    record.write_chain(chain)
    return chain


def _groups(selection: Sequence[Example]) -> list[int]:
    """The group of each example; empty if no two share one."""
    numbers = {group: i for i, group in enumerate(dict.fromkeys(one.group for one in selection))}
    return [numbers[one.group] for one in selection] if len(numbers) < len(selection) else []


def _steps(
    sweep: SweepDir, chain: Chain, record: SelectionRecord, measure: Measure
) -> Iterator[Certificate]:
    certificate = walk(chain, record.measurements())
    while certificate.missing is not None:
        candidate = certificate.missing
        record.write(measure(final.candidate_job(candidate, _trial(sweep, candidate))))
        certificate = walk(chain, record.measurements())
        yield certificate


def _trial(sweep: SweepDir, candidate: Candidate) -> CompleteTrial:
    result = sweep.result(candidate.trial_id)
    if not isinstance(result, CompleteTrial):
        raise TypeError(f"{candidate.trial_id} is no complete trial")
    return result


def _n_looks(spec: SweepSpec, findings: Findings) -> int:
    """Sweeps that this one started from and that have read the same selection examples."""
    complete = complete_trials(findings.results)
    own = {trial.provenance.dataset_fingerprint for trial in complete if trial.provenance}
    chains = (SelectionRecord.of(folder).chain() for folder in spec.search.warm_start)
    return sum(chain is not None and chain.dataset_fingerprint in own for chain in chains)


def _told(step: Step, chain: Chain) -> str:
    score = step.measurement.point.score
    outcome = "certified" if step.certified else "not certified, which ends the walk"
    return (
        f"{step.candidate.name}: {score.metric} {score.value:.3f} on {score.n_examples} selection"
        f" examples, p = {step.p:.3g} (at most {chain.alpha:g}): {outcome}"
    )
