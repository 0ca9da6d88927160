"""Warm start from earlier sweeps.

Results that compare become finished trials of the study; of the others, the points are tried first.

A result compares if its whole configuration (model, task and dtype included) is a point of this
space and it was measured at this sweep's threshold. It is told as a trial that is not of this
sweep: it counts in no budget and is on no front. Of every other result the configuration is carried
over: model, task and dtype are replaced, training's fixed settings taken from this space, and
numbers outside their range moved to its end; the front's members come first, then a spread of the
others. What was taken is copied into the sweep's folder, so that it goes on without the folders it
came from.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.errors import ConfigError, StoreError
from deft_sweeps.findings.pareto_front import pareto_front
from deft_sweeps.metrics import measured
from deft_sweeps.result import CompleteTrial, TrialResult, complete_trials
from deft_sweeps.specification.combination import Combination, Start
from deft_sweeps.specification.domain import Categorical, Const, Domain, Float, Int, Value, contains
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.atomic_file import write_atomically
from deft_sweeps.store.sources import unusable_sources
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.study.optuna_study import objectives
from deft_sweeps.study.proposal import fits

MOST_POINTS = 12
BUDGET_SHARE = 0.25
"""At most so many points are enqueued from one sweep: that share of the budget, and never more than
MOST_POINTS."""


@dataclass(frozen=True, slots=True)
class WarmStartSource:
    """What one earlier sweep gave.

    Attributes:
        folder: of that sweep, absolute.
        n_told: results told to the study.
        starts: points enqueued.
        n_outside: complete results that are no point of this space, whatever is replaced.
        n_spare: complete results beyond the points that are enqueued.
    """

    folder: str
    n_told: int
    starts: tuple[Start, ...]
    n_outside: int
    n_spare: int

    def __str__(self) -> str:
        spare = f", {self.n_spare} more not needed" if self.n_spare else ""
        return (
            f"warm start from {self.folder}: {self.n_told} results told, {len(self.starts)} points"
            f" enqueued, {self.n_outside} left out: not in this space{spare}"
        )


def take_up(spec: SweepSpec, sweep: SweepDir) -> tuple[WarmStartSource, ...]:
    """Copy into the sweep's folder what its `warm_start` folders give; those that it has been given
    before are left as they were.

    Returns:
        What was taken now, one a folder.

    Raises:
        ConfigError: one cannot be started from; lists every such folder.
        StoreError: the sweep's own folder cannot be read.
    """
    before = taken(sweep)
    used_folders = {earlier.folder for earlier in before}
    new = [
        folder
        for folder in dict.fromkeys(str(Path(f).resolve()) for f in spec.search.warm_start)
        if folder not in used_folders
    ]
    problems = unusable_sources(new, "search.warm_start")
    if problems:
        raise ConfigError(problems)
    sources: list[WarmStartSource] = []
    for folder in new:
        copies, one = _take(spec, folder, SweepDir(Path(folder)).results())
        for result in copies:
            _copies(sweep).write(result)
        sources.append(one)
    if sources:  # Last: what is named here is all there.
        write_atomically(
            _list_path(sweep),
            json.dumps([asdict(one) for one in (*before, *sources)], indent=1).encode(),
        )
    return tuple(sources)


def taken(sweep: SweepDir) -> tuple[WarmStartSource, ...]:
    """What the sweep was given so far.

    Raises:
        StoreError: the list cannot be read.
    """
    path = _list_path(sweep)
    try:
        rows = json.loads(path.read_bytes()) if path.is_file() else []
        return tuple(
            WarmStartSource(
                **row
                | {
                    "starts": tuple(
                        Start(s["combination"], _values(s["values"])) for s in row["starts"]
                    )
                }
            )
            for row in rows
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path}: cannot be read as what a sweep was started from: {error}"
        ) from error


def prior_trials(spec: SweepSpec, sweep: SweepDir) -> list[tuple[CompleteTrial, Start]]:
    """Trials of earlier sweeps that compare with this one's, each with its point."""
    results = complete_trials(_copies(sweep).results()) if taken(sweep) else ()
    located = ((result, spec.locate(result.config)) for result in results)
    return [(result, start) for result, start in located if start is not None]


def first_points(spec: SweepSpec, sweep: SweepDir) -> list[Start]:
    """Points of earlier sweeps to try before the sampler's own."""
    return [start for given in taken(sweep) for start in given.starts if fits(spec, start)]


def data_of(sweep: SweepDir) -> frozenset[str]:
    """Fingerprints of the data that the results told from elsewhere were measured on."""
    return frozenset(
        result.provenance.dataset_fingerprint
        for result in complete_trials(_copies(sweep).results())
        if result.provenance
    )


def carried_over(spec: SweepSpec, config: TrialConfig) -> Start | None:
    """The point of this space that is closest to `config` by the rules above; None where there is
    none.
    """
    for combination in spec.combinations:
        values = _values_in(combination, config)
        if values is not None:
            return Start(combination.label, values)
    return None


def _take(
    spec: SweepSpec, folder: str, results: Sequence[TrialResult]
) -> tuple[list[CompleteTrial], WarmStartSource]:
    complete = complete_trials(results)
    classes = _of_one_data_set([result for result in complete if _compares(spec, result)])
    told_ids = {result.trial_id for result in classes}
    rest = [result for result in complete if result.trial_id not in told_ids]
    starts: dict[str, Start] = {}
    n_outside = 0
    for result in _front_first(spec, rest):
        start = carried_over(spec, result.config)
        if start is None:
            n_outside += 1
        else:
            starts.setdefault(spec.config(start).config_id, start)
    most = max(1, min(MOST_POINTS, round(BUDGET_SHARE * spec.budget.trials)))
    picked = tuple(starts.values())[:most]
    return classes, WarmStartSource(
        folder, len(classes), picked, n_outside, len(rest) - n_outside - len(picked)
    )


def _compares(spec: SweepSpec, result: CompleteTrial) -> bool:
    if spec.locate(result.config) is None:
        return False
    try:
        objectives(spec, result)
    except ValueError:
        return False
    return True


def _of_one_data_set(results: Sequence[CompleteTrial]) -> list[CompleteTrial]:
    """Those measured on the data that the latest one was measured on: a user's file may have
    changed under its name.
    """
    if not results or results[-1].provenance is None:
        return list(results)
    fingerprint = results[-1].provenance.dataset_fingerprint
    return [
        result
        for result in results
        if result.provenance and result.provenance.dataset_fingerprint == fingerprint
    ]


def _front_first(spec: SweepSpec, results: Sequence[CompleteTrial]) -> list[CompleteTrial]:
    """The trials on the front, then the others spread over the first objective."""
    front = dict.fromkeys(
        member.result.trial_id for member in pareto_front(results, spec.objectives).members
    )
    by_id = {result.trial_id: result for result in results}
    name = spec.objectives[0]
    others = [result for result in results if result.trial_id not in front]
    others.sort(
        key=lambda r: (
            max(measured(point, r.cost).get(name, float("-inf")) for point in r.points),
            r.trial_id,
        )
    )
    return [by_id[trial_id] for trial_id in front] + [
        others[i] for i in _halving_order(len(others))
    ]


def _halving_order(n: int) -> list[int]:
    """0 to n - 1 in the order: both ends, the middle, the middles of the halves, and so on."""
    order = dict.fromkeys([n - 1, 0]) if n else {}
    parts = 2
    while len(order) < n:
        order |= dict.fromkeys(round(i * (n - 1) / parts) for i in range(1, parts))
        parts *= 2
    return list(order)


def _values_in(combination: Combination, config: TrialConfig) -> dict[str, Value] | None:
    template = combination.template
    moved: dict[str, Value] = {}
    changes: dict[str, dict[str, Any]] = {}
    for name, domain in combination.open.items():
        axis, field = name.split(".")[0], name.split(".")[-1]
        if type(getattr(config, axis)) is not type(getattr(template, axis)):
            return None
        value = _into(domain, getattr(getattr(config, axis), field))
        if value is None and not contains(domain, None):
            return None
        moved[name] = value
        changes.setdefault(axis, {})[field] = value
    replaced = {
        f.name: getattr(template, f.name)
        for f in fields(template)
        if f.name in ("model", "task", "dtype", "base_dropout", "revision", "training")
    }
    theirs = replace(config, **replaced)
    # What is fixed here must be equal there: then putting the moved values into either gives one
    # configuration.
    here = combination.config(moved)
    axes = {
        axis: replace(getattr(theirs, axis), **some)
        for axis, some in changes.items()
        if axis != "training"
    }
    return moved if replace(theirs, **axes, training=here.training) == here else None


def _into(domain: Domain, value: Value) -> Value:
    """The value if the domain has it, else the domain's closest number, else None."""
    if contains(domain, value):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    match domain:
        case Float(low, high) | Int(low, high):
            return type(low)(min(max(value, low), high))
        case Categorical(values):
            numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
            return min(numbers, key=lambda v: abs(v - value), default=None)
        case Const():
            return None


def _values(raw: dict[str, Any]) -> dict[str, Value]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in raw.items()}


def _copies(sweep: SweepDir) -> SweepDir:
    return SweepDir(sweep.root / "warm_start")


def _list_path(sweep: SweepDir) -> Path:
    return sweep.root / "warm_start" / "taken.json"
