"""Which configurations run again after the search, so that the choice rests on more than one
training.
"""

from collections import Counter
from collections.abc import Sequence

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.findings.baseline import baselines_of
from deft_sweeps.findings.pareto_front import pareto_front
from deft_sweeps.result import TrialResult, complete_trials
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.sweep_spec import SweepSpec

ROUNDS = 10
"""With more seeds a front changes, and what enters it is run again in the next round. Few sweeps
need a third; where luck decides who is on the front, it need not come to rest, and this is the end
of it."""


def missing_seeds(spec: SweepSpec, results: Sequence[TrialResult]) -> tuple[Start, ...]:
    """The points to run again, one entry for each seed that is missing.

    Of every configuration of the front; and of each baseline where a limit or the policy compares
    with it, since a comparison with one lucky training would undo what the seeds are for.
    """
    n_complete = Counter(result.config_id for result in complete_trials(results))
    starts: list[Start] = []
    for config in _configurations(spec, results):
        start = spec.locate(config)
        if start is not None:
            starts += [start] * max(0, spec.seeds - n_complete[config.config_id])
    return tuple(starts)


def n_configurations(starts: Sequence[Start]) -> int:
    """How many different points there are."""
    return sum(start not in starts[:i] for i, start in enumerate(starts))


def _configurations(spec: SweepSpec, results: Sequence[TrialResult]) -> tuple[TrialConfig, ...]:
    front = pareto_front(results, spec.objectives, spec.limits)
    configs = {member.result.config_id: member.result.config for member in front.members}
    compared = {limit.bound.baseline for limit in spec.every_limit} if configs else set()
    for name, baseline in baselines_of(results, spec.every_limit).items():
        if name in compared:
            configs.setdefault(baseline.result.config_id, baseline.result.config)
    return tuple(configs.values())
