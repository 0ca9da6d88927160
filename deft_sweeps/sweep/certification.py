"""Walks the chain of candidates: measures each on the selection split, until one fails."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deft_sweeps.config.data import FileTask, Task, task_kind
from deft_sweeps.errors import StoreError
from deft_sweeps.findings import Findings
from deft_sweeps.findings.candidate_chain import make_chain
from deft_sweeps.findings.certificate import Certificate, Step, walk
from deft_sweeps.findings.limit_p_value import SelectionSample
from deft_sweeps.findings.simultaneous_bounds import finalists
from deft_sweeps.findings.verdict import too_few
from deft_sweeps.result import Candidate, Chain
from deft_sweeps.result.certificate_chain import alpha_after
from deft_sweeps.search.warm_start import taken
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.selection_record import SelectionRecord
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep.candidate_measurement import candidate_measurement
from deft_sweeps.sweep.measuring_note import measuring
from deft_sweeps.tasks.check import read_splits
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.location import located


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
    """
    limits = spec.every_limit
    if not spec.splits.selection or not limits:
        return
    record = SelectionRecord(sweep.root)
    try:
        chain = record.chain() or _first_chain(spec, sweep, record, say)
    except StoreError as error:
        say(f"warning: nothing is certified: {error}")
        return
    if chain is None:
        return
    if chain.alpha != alpha_after(chain.n_looks, spec.alpha):
        say(f"the chain of candidates was fixed with alpha {chain.alpha:g}, which stays")
    if reason := _other_runtime(chain, spec) or too_few(chain, limits):
        say(f"nothing can be certified: {reason}")
        return
    if walk(chain, record.measurements()).missing is None:
        return
    say(
        f"certifying: up to {len(chain.candidates)} candidates on {chain.n_examples} selection"
        f" examples, one after the other until one fails (alpha {chain.alpha:g})"
    )
    with measuring(sweep) as beat:
        n_said = 0
        try:
            for certificate in _steps(spec, sweep, chain, record, ray_address):
                beat()
                for step in certificate.steps[n_said:]:
                    say(_told(step, chain))
                n_said = len(certificate.steps)
        except StoreError as error:
            say(f"warning: the walk ends before its end, so nothing is certified: {error}")


def _other_runtime(chain: Chain, spec: SweepSpec) -> str:
    if chain.runtime == _runtime(spec):
        return ""
    measured_in = chain.runtime or "the trials' own computation"
    return f"the chain was fixed for {measured_in}, and the spec names another runtime since"


def _runtime(spec: SweepSpec) -> str:
    return "" if spec.deploy is None else spec.deploy.runtime


def unmeasured_finalists(spec: SweepSpec, sweep: SweepDir) -> tuple[Candidate, ...]:
    """The finalists of the chain that the walk left out, if the policy came later than the chain:
    simultaneous bounds count each of them, measured or not.

    Args:
        spec: of the sweep, with the policy.
        sweep: its folder.
    """
    record = SelectionRecord(sweep.root)
    chain, limits = record.chain(), spec.every_limit
    if chain is None or not limits:
        return ()
    measurements = record.measurements()
    if walk(chain, measurements).covers(limits):
        return ()
    return tuple(one for one in finalists(chain) if one.name not in measurements)


def measure_finalists(
    spec: SweepSpec,
    sweep: SweepDir,
    say: Callable[[str], None],
    ray_address: str | None = None,
) -> None:
    """Measure the unmeasured finalists on the selection split.

    Args:
        spec: of the sweep, with the policy.
        sweep: its folder.
        say: is told each step in a line.
        ray_address: of a Ray cluster; None starts a local Ray.
    """
    missing = unmeasured_finalists(spec, sweep)
    if not missing:
        return
    say(f"measuring {len(missing)} finalists on the selection split, for simultaneous bounds")
    record = SelectionRecord(sweep.root)
    with (
        measuring(sweep) as beat,
        candidate_measurement(spec, sweep, ray_address) as measure,
    ):
        for one in missing:
            try:
                measurement = measure(one)
            except StoreError as error:
                say(f"warning: {error}")
                continue
            record.write(measurement)
            score = measurement.point.score
            say(f"{one.name}: {score.metric} {score.value:.3f} on {score.n_examples} examples")
            beat()


def _first_chain(
    spec: SweepSpec, sweep: SweepDir, record: SelectionRecord, say: Callable[[str], None]
) -> Chain | None:
    if leaky := _leaky_source(spec, sweep):
        say(
            f"nothing is certified: the sweep started from {leaky}, whose splits are others, so"
            " selection examples may have been trained or searched on there"
        )
        return None
    chain = _write_chain(spec, sweep, record)
    if not chain.candidates:
        say(
            "nothing is certified: no point keeps every limit on validation examples, so the"
            " selection split is not read"
        )
        return None
    return chain


def _write_chain(spec: SweepSpec, sweep: SweepDir, record: SelectionRecord) -> Chain:
    findings = Findings.read(spec, sweep)
    task = located(spec.combinations[0].template, spec.folder).task
    splits = read_splits(task)
    fingerprint = _fingerprint(splits.selection)
    chain = make_chain(
        findings.pool_for(spec.choose),
        findings.baselines,
        spec.choose,
        spec.every_limit,
        n_examples=len(splits.selection),
        alpha=spec.alpha,
        n_looks=_n_looks(spec, sweep, fingerprint),
        sample=SelectionSample(
            _groups(task, splits.selection),
            _fewest_of_a_class(task, splits.train, splits.selection),
        ),
        selection_fingerprint=fingerprint,
        runtime=_runtime(spec),
    )
    if chain.candidates:  # What was not read can be certified on later, by `--more` say.
        record.write_chain(chain)
    return chain


def _fingerprint(selection: Sequence[Example]) -> str:
    """Hex digest of the selection examples: the same rows, the same digest."""
    lines = "\n".join(f"{one.key!r} {one.label!r} {one.answers!r}" for one in selection)
    return sha256(lines.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _groups(task: Task, selection: Sequence[Example]) -> NDArray[np.int64]:
    """The group of each example if the task names a column of groups; else none."""
    if not isinstance(task, FileTask) or task.group is None:
        return np.zeros(0, dtype=np.int64)
    numbers = {group: i for i, group in enumerate(dict.fromkeys(one.group for one in selection))}
    return np.array([numbers[one.group] for one in selection], dtype=np.int64)


def _fewest_of_a_class(
    task: Task, train: Sequence[Example], selection: Sequence[Example]
) -> int | None:
    if task_kind(task) != "classification":
        return None
    counts = Counter(one.label for one in selection)
    return min((counts[label] for label in {one.label for one in train}), default=0)


def _n_looks(spec: SweepSpec, sweep: SweepDir, fingerprint: str) -> int:
    """Walks over the same examples by sweeps that this one started from, and by theirs."""
    used = {source.folder for source in taken(sweep)} | {
        str(Path(folder).expanduser().resolve()) for folder in spec.search.warm_start
    }
    chains = (SelectionRecord.of(folder).chain() for folder in used)
    return sum(
        chain.n_looks + 1
        for chain in chains
        if chain is not None and chain.selection_fingerprint == fingerprint
    )


def _leaky_source(spec: SweepSpec, sweep: SweepDir) -> str:
    """An earlier sweep that this one started from and whose splits are other ones: its validation
    or training examples may be selection examples here. Empty if there is none.
    """
    for source in taken(sweep):
        earlier = SweepDir(Path(source.folder))
        result = earlier.any_result() if earlier.spec_path.is_file() else None
        if result is not None and result.config.task.splits != spec.splits:
            return source.folder
    return ""


def _steps(
    spec: SweepSpec,
    sweep: SweepDir,
    chain: Chain,
    record: SelectionRecord,
    ray_address: str | None,
) -> Iterator[Certificate]:
    certificate = walk(chain, record.measurements())
    with candidate_measurement(spec, sweep, ray_address) as measure:
        while certificate.missing is not None:
            record.write(measure(certificate.missing))
            certificate = walk(chain, record.measurements())
            yield certificate


def _told(step: Step, chain: Chain) -> str:
    score = step.measurement.point.score
    outcome = "certified" if step.certified else "not certified, which ends the walk"
    return (
        f"{step.candidate.name}: {score.metric} {score.value:.3f} on {score.n_examples} selection"
        f" examples, p = {step.p:.3g} (at most {chain.alpha:g}): {outcome}"
    )
