"""Certificates of limits that nobody had named when the selection split was read.

A later policy is chosen with the split's measurements in view, so its limits may be the luckiest
ones. Bonferroni's correction holds however the choice was made. Each finalist's score is bounded
from below, by itself and beside each baseline, with an error probability of alpha over the number
of these bounds. All of them hold at once with a probability of at least 1 - alpha. A p-value that
falls as the margin grows is a bound at every margin, so the policy may name any margin. The
finalists are those of the chain and its baselines, fixed before the split was read; how many of
them were measured is not, and does not matter.
"""

from collections.abc import Iterable
from dataclasses import replace

from deft_sweeps.findings.certificate import Certificate, Step, tested_steps
from deft_sweeps.findings.limit_p_value import LimitTest
from deft_sweeps.metrics import SCORE
from deft_sweeps.objective import Constraint
from deft_sweeps.result import Candidate, Chain

FROM_ABOVE = "later limits bound a score from below only"


def certificate_for(walked: Certificate, limits: Iterable[Constraint]) -> Certificate:
    """What the selection split says of a policy's limits: by the walk, if its chain was made for
    them, otherwise by simultaneous bounds.

    Args:
        walked: along the sweep's chain.
        limits: of the sweep and of the policy.
    """
    limits = tuple(dict.fromkeys(limit.bare for limit in limits))
    return walked if walked.covers(limits) else simultaneous_bounds(walked, limits)


def simultaneous_bounds(walked: Certificate, limits: tuple[Constraint, ...]) -> Certificate:
    """Every measured finalist tested for any limits, at `simultaneous_level`.

    Args:
        walked: along the sweep's chain, which has the measurements.
        limits: without `surely`.
    """
    chain, measurements = walked.chain, walked.measurements
    every, level = finalists(chain), simultaneous_level(chain)
    measured = [one for one in every if one.name in measurements]
    tested = (_bounded_below(one) for one in tested_steps(chain, measured, measurements, limits))
    steps = (replace(one, certified=one.p <= level, n_finalists=len(every)) for one in tested)
    return Certificate(chain, tuple(steps), None, limits, level, measurements, len(every))


def finalists(chain: Chain) -> tuple[Candidate, ...]:
    """The baselines and the candidates of a chain, each weights and threshold once."""
    every = (*chain.baselines.values(), *chain.candidates)
    return tuple({one.name: one for one in every}.values())


def simultaneous_level(chain: Chain) -> float:
    """Alpha over the number of bounds: of each finalist's score by itself, and beside each of the
    chain's baselines.
    """
    n_references = 1 + len({one.name for one in chain.baselines.values()})
    return chain.alpha / max(1, len(finalists(chain)) * n_references)


def _bounded_below(step: Step) -> Step:
    return replace(step, tests=tuple(map(_only_from_below, step.tests)))


def _only_from_below(test: LimitTest) -> LimitTest:
    """A score at most a bound is one more quantity, which the correction does not count."""
    if test.limit.metric != SCORE.name or test.limit.relation == ">=":
        return test
    return replace(test, p=1.0, how=FROM_ABOVE)
