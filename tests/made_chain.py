"""A chain of candidates of three made trials, and measurements of it on a selection split."""

from collections.abc import Iterable
from dataclasses import replace

from deft_sweeps.findings import Findings
from deft_sweeps.findings.candidate_chain import make_chain
from deft_sweeps.findings.certificate import Certificate, walk
from deft_sweeps.objective import parse_policy
from deft_sweeps.outcomes import ExampleScores
from deft_sweeps.result import Chain, CompleteTrial, FinalMeasurement, Point
from tests.made_sweep import PROVENANCE, cost
from tests.samples import point, result

OBJECTIVES = ("score", "activation_density")
POLICY = parse_policy("best activation_density where score >= baseline(peft) - 0.02")
N = 1200


def scored(at: Point, score: float, n: int = N) -> Point:
    """The point with the first examples right."""
    right = round(score * n)
    return replace(
        at,
        score=replace(at.score, value=right / n, n_examples=n),
        example_scores=ExampleScores.of([1.0] * right + [0.0] * (n - right)),
    )


def trial(*points: tuple[float, float, float], weight: float = 0.0) -> CompleteTrial:
    """A trial with points of threshold, score and density."""
    return result(*(point(t, s, d, n=400) for t, s, d in points), weight=weight)


PLAIN = trial((0.0, 0.80, 0.90), (0.2, 0.80, 0.70), (0.5, 0.70, 0.40))
DEFT = trial((0.0, 0.80, 0.50), (0.2, 0.795, 0.30), (0.5, 0.79, 0.10), weight=1.0)
FEW = trial((0.0, 0.80, 0.88), (0.2, 0.79, 0.095), weight=2.0)


def chain(*trials: CompleteTrial, policy: str = str(POLICY), alpha: float = 0.05) -> Chain:
    findings = Findings(trials, OBJECTIVES, (), parse_policy(policy))
    limits = parse_policy(policy).where
    pool = findings.pool_for(findings.policy)
    return make_chain(pool, findings.baselines, findings.policy, limits, n_examples=N, alpha=alpha)


def measurement(of: CompleteTrial, threshold: float, score: float) -> FinalMeasurement:
    at = next(one for one in of.points if one.threshold == threshold)
    return FinalMeasurement(
        role="candidate",
        trial_id=of.trial_id,
        point=scored(at, score),
        cost=replace(cost(), label="measured"),
        provenance=PROVENANCE,
    )


def walked(of: Chain, measurements: Iterable[FinalMeasurement]) -> Certificate:
    return walk(of, {one.name: one for one in measurements})
