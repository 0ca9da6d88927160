"""How often a sweep's answer is right: certified choice against choice on validation examples.

    python -m benchmarks.answer                  # the packed tables and a closed-form landscape
    python -m benchmarks.answer runs/quickstart  # a finished sweep, its examples resampled

Each draw plays the end of a sweep: validation and selection examples are drawn anew, the chain is
made and walked, and the policy chooses. The truth of every point is known: its mean over all the
examples that are resampled, or the score that the landscape states. Reported:

- broken: draws in which the shipped configuration breaks the limit in truth;
- baseline: draws that end in the baseline; nothing: draws that end in nothing;
- density ratio: median over the draws of the shipped density over that of a chooser who knows the
  truth;
- attainable: the same of the sparsest point that its own test certifies in half of the draws, were
  it the only candidate: no order of candidates has a median below it;
- bias: mean of the shipped configuration's selection score minus its truth;
- same: pairs of draws that ship the same configuration, or one within the band of 10 % of density;
  each draw has validation and selection examples of its own.

The packed tables hold scores, not examples. There, and on the landscape, an example is right or
wrong by a Gaussian copula: points share most of an example's difficulty, so that two points of the
same score differ on `--discordance` of the examples.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from benchmarks.search import problem
from benchmarks.search.problem import NOWHERE, UNTIMED
from benchmarks.search.table import TABLES, read
from deft_sweeps.config.axes import DensityLoss, Training
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.findings import Findings
from deft_sweeps.findings.candidate_chain import make_chain
from deft_sweeps.findings.certificate import walk
from deft_sweeps.metrics import SCORE
from deft_sweeps.objective import Policy, parse_policy
from deft_sweeps.outcomes import ExampleScores
from deft_sweeps.result import (
    CompleteTrial,
    FinalMeasurement,
    Point,
    complete_trials,
)
from deft_sweeps.statistics.margin_p_value import absolute_score_p, paired_counts_p
from deft_sweeps.store.sweep_dir import SweepDir

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]
Sampler = Callable[[np.random.Generator, int], Booleans]
"""Draws n examples: right or wrong of every point, shape (points, n)."""

OBJECTIVES = ("score", "activation_density")
ALPHA = 0.05
BAND = 0.1
"""Share of the density within which two configurations count as the same answer."""

MEASURED = replace(UNTIMED, label="measured")
"""Costs of every trial alike; policies on the score and the density ask for none."""


@dataclass(frozen=True, slots=True)
class Population:
    """The points of a sweep and how their examples are drawn.

    Attributes:
        trials: complete, with their points; scores are replaced in each draw.
        truth: true score of each point, in the order of the trials' points.
        sample: draws examples.
    """

    name: str
    trials: tuple[CompleteTrial, ...]
    truth: Floats
    sample: Sampler

    @property
    def points(self) -> tuple[tuple[CompleteTrial, Point], ...]:
        """Every point with its trial."""
        return tuple((trial, point) for trial in self.trials for point in trial.points)

    @property
    def densities(self) -> Floats:
        """Activation density of each point."""
        return np.array([point.density.overall for _, point in self.points])


@dataclass(frozen=True, slots=True)
class Draw:
    """What one play of a sweep's end shipped.

    Attributes:
        shipped: place of the point; None if nothing was.
        certified: with a certificate.
        is_baseline: the baseline itself.
        selection_score: of the shipped point on selection examples; nan without.
        passes: whether each point would pass the policy's tests on the selection examples, were it
            the only candidate; none without selection examples.
    """

    shipped: int | None
    certified: bool
    is_baseline: bool
    selection_score: float
    passes: Booleans


def of_sweep(folder: Path) -> Population:
    """A finished sweep whose points hold the score of every validation example."""
    trials = complete_trials(SweepDir(folder).require().results())
    rows = [point.example_scores.array() > 0.5 for trial in trials for point in trial.points]
    if len({len(row) for row in rows}) != 1 or not len(rows[0]):
        raise SystemExit(f"{folder}: the points hold no right-or-wrong scores of equal examples")
    outcomes = np.array(rows)

    def sample(rng: np.random.Generator, n: int) -> Booleans:
        return outcomes[:, rng.integers(0, outcomes.shape[1], n)]

    return Population(str(folder), tuple(trials), outcomes.mean(axis=1), sample)


def of_table(path: Path, discordance: float, seed: int) -> Population:
    """Thirty trainings of a packed table, the plain ones among them."""
    rows = read(path)
    plain = [row for row in rows if row.config.is_baseline("peft")][:1]
    others = [row for row in rows if row not in plain]
    order = np.random.default_rng(seed).permutation(len(others))[:29]
    trials = [
        _trial(row.config, row.seed, _from_zero(row.rungs[-1][1]))
        for row in (*plain, *(others[i] for i in order))
    ]
    return _by_copula(path.name.partition(".")[0], trials, discordance)


def _from_zero(points: Sequence[Point]) -> tuple[Point, ...]:
    """The points with the lowest threshold at 0: the tables measure none without a threshold."""
    first, *others = sorted(points, key=lambda point: point.threshold)
    return (replace(first, threshold=0.0), *others)


def in_closed_form(discordance: float) -> Population:
    """Twelve trainings at five thresholds: the lower the density, the faster the score falls."""
    thresholds = (0.0, 0.01, 0.2, 0.5, 1.0)
    trials = []
    for number in range(12):
        weight = 0.0 if number == 0 else 0.25 * number
        config = TrialConfig(
            density=DensityLoss(weight=weight) if weight else TrialConfig().density,
            training=Training(learning_rate=1e-3),
        )
        points = []
        for level, threshold in enumerate(thresholds):
            density = 0.9 * 0.5**level / (1 + 0.4 * number)
            score = 0.82 - 0.006 * (0.05 / density) ** 0.8 - 0.002 * number
            points.append(_point(threshold, score, density))
        trials.append(_trial(config, 0, tuple(points)))
    return _by_copula("closed form", trials, discordance)


def _by_copula(name: str, trials: Sequence[CompleteTrial], discordance: float) -> Population:
    truth = np.array([point.score.value for trial in trials for point in trial.points])
    shared = _correlation(float(np.median(truth)), discordance)
    cuts = special.ndtri(np.clip(truth, 1e-6, 1 - 1e-6))[:, None]

    def sample(rng: np.random.Generator, n: int) -> Booleans:
        difficulty = rng.standard_normal(n)
        own = rng.standard_normal((len(truth), n))
        drawn: Booleans = np.sqrt(shared) * difficulty + np.sqrt(1 - shared) * own < cuts
        return drawn

    return Population(name, tuple(trials), truth, sample)


def _correlation(score: float, discordance: float) -> float:
    """The copula's correlation at which two points of a score differ on a share of the examples."""
    cut = special.ndtri(score)

    def excess(correlation: float) -> float:
        both = stats.multivariate_normal.cdf(
            [cut, cut], mean=[0, 0], cov=[[1, correlation], [correlation, 1]]
        )
        return float(2 * (score - both) - discordance)

    return float(optimize.brentq(excess, 0.01, 0.9999))


def _point(threshold: float, score: float, density: float) -> Point:
    return problem.point(threshold, score, density, 1000, density, 1 - score)


def _trial(config: TrialConfig, seed: int, points: Sequence[Point]) -> CompleteTrial:
    return CompleteTrial(
        config=config, seed=seed, points=tuple(points), cost=MEASURED, provenance=NOWHERE
    )


def _scored(point: Point, right: Booleans) -> Point:
    value = float(right.mean())
    score = replace(
        point.score,
        metric="accuracy",
        value=value,
        n_examples=len(right),
        standard_error=(value * (1 - value) / len(right)) ** 0.5,
    )
    line = " ".join("1" if one else "0" for one in right)
    return replace(point, score=score, example_scores=ExampleScores(line), outcomes=None)


def _measurement(trial: CompleteTrial, point: Point, right: Booleans) -> FinalMeasurement:
    assert trial.cost is not None
    return FinalMeasurement(
        role="candidate",
        trial_id=trial.trial_id,
        point=_scored(point, right),
        cost=trial.cost,
        provenance=NOWHERE,
    )


def play(
    population: Population,
    policy: Policy,
    rng: np.random.Generator,
    *,
    n_validation: int,
    n_selection: int,
) -> Draw:
    """The end of one sweep.

    Args:
        population: whose examples are drawn.
        policy: to choose by.
        rng: of the examples.
        n_validation: examples that order the chain.
        n_selection: examples that certify; 0 chooses on validation examples.
    """
    validation = iter(population.sample(rng, n_validation))
    trials = [
        replace(trial, points=tuple(_scored(point, next(validation)) for point in trial.points))
        for trial in population.trials
    ]
    names = [f"{trial.trial_id}@{point.at}" for trial, point in population.points]
    findings = Findings(trials, OBJECTIVES, (), policy)
    passes = np.zeros(len(names), dtype=bool)
    if n_selection:
        drawn = population.sample(rng, n_selection)
        passes = _passes(population, policy, drawn)
        chain = make_chain(
            findings.pool_for(policy),
            findings.baselines,
            policy,
            policy.where,
            n_examples=n_selection,
            alpha=ALPHA,
        )
        needed = {one.name for one in (*chain.candidates, *chain.baselines.values())}
        measurements = {
            name: _measurement(*population.points[i], drawn[i])
            for i, name in enumerate(names)
            if name in needed
        }
        certificate = walk(chain, measurements)
        findings = Findings(trials, OBJECTIVES, (), policy, (), certificate)
    member = findings.choice.member
    if member is None:
        return Draw(None, False, False, float("nan"), passes)
    step = findings.verdict.step
    return Draw(
        names.index(member.name),
        step is not None,
        findings.choice.baseline is not None and findings.choice.baseline.name == member.name,
        float("nan") if step is None else step.measurement.point.score.value,
        passes,
    )


def _passes(population: Population, policy: Policy, right: Booleans) -> Booleans:
    base = right[_baseline(population)]
    passes = np.ones(len(right), dtype=bool)
    for limit in policy.where:
        if limit.metric != SCORE.name:
            continue
        for i, row in enumerate(right):
            p = (
                absolute_score_p(row.astype(float), limit.bound.value)
                if limit.bound.baseline is None
                else paired_counts_p(
                    int((row & ~base).sum()),
                    int((base & ~row).sum()),
                    len(row),
                    -limit.bound.value,
                )
            )
            passes[i] &= p <= ALPHA
    return passes


@dataclass(frozen=True, slots=True)
class Summary:
    """Shares of the draws, in [0, 1], and densities over the all-knowing chooser's; see the
    module.
    """

    broken: float
    baseline: float
    nothing: float
    density_ratio: float
    attainable: float
    bias: float
    same: float


def summarise(population: Population, draws: Sequence[Draw], policy: Policy) -> Summary:
    """What the draws came to.

    Args:
        population: that was drawn from.
        draws: at least two.
        policy: that chose; its limits are on the score.
    """
    truth, densities = population.truth, population.densities
    keeps = _kept(population, policy)
    best = float(densities[keeps].min())
    shipped = [draw for draw in draws if draw.shipped is not None]
    places = np.array([draw.shipped for draw in shipped], dtype=int)
    certified = [draw for draw in shipped if draw.certified]
    gaps = [draw.selection_score - truth[draw.shipped or 0] for draw in certified]
    passing = np.mean([draw.passes for draw in draws], axis=0) >= 0.5
    return Summary(
        broken=float((~keeps[places]).sum() / len(draws)),
        baseline=sum(draw.is_baseline for draw in shipped) / len(draws),
        nothing=1 - len(shipped) / len(draws),
        density_ratio=float(np.median(densities[places]) / best) if len(places) else float("nan"),
        attainable=float(densities[passing].min() / best) if passing.any() else float("nan"),
        bias=float(np.mean(gaps)) if gaps else float("nan"),
        same=_share_of_same(densities[places]),
    )


def _kept(population: Population, policy: Policy) -> Booleans:
    """Whether each point keeps the limits on the score in truth."""
    base = float(population.truth[_baseline(population)])
    keeps = np.ones(len(population.truth), dtype=bool)
    for limit in policy.where:
        if limit.metric == SCORE.name:
            keeps &= np.array([limit.violation(t, base) <= 1e-12 for t in population.truth])
    return keeps


def _share_of_same(shipped: Floats) -> float:
    """Share of all pairs of draws whose densities lie within the band."""
    if len(shipped) < 2:
        return float("nan")
    values, counts = np.unique(shipped, return_counts=True)
    larger = np.maximum(values[:, None], values[None, :])
    same = np.abs(values[:, None] - values[None, :]) <= BAND * larger
    n = len(shipped)
    n_same = counts @ same @ counts - n  # Without each draw beside itself.
    return float(n_same / (n * (n - 1)))


def _baseline(population: Population) -> int:
    plain = [
        (population.truth[i], -i)
        for i, (trial, point) in enumerate(population.points)
        if trial.config.is_baseline("peft") and point.is_unthresholded
    ]
    return -max(plain)[1]


def populations(folders: Sequence[Path], discordance: float) -> Iterator[Population]:
    """The sweeps of the folders; without any, both tables and the closed form."""
    yield from map(of_sweep, folders)
    if not folders:
        for path in sorted(TABLES.glob("*.jsonl.gz")):
            yield of_table(path, discordance, seed=0)
        yield in_closed_form(discordance)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, help="finished sweeps")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument(
        "--policy",
        action="append",
        help="with limits on the score; may be repeated (default: a margin of 0.02)",
    )
    parser.add_argument("--validation", type=int, default=400, help="validation examples")
    parser.add_argument("--selection", type=int, default=1200, help="selection examples")
    parser.add_argument("--discordance", type=float, default=0.06)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    policies = arguments.policy or ["best activation_density where score >= baseline(peft) - 0.02"]
    head = f"{'points of':24}{'chosen on':12}"
    for text in policies:
        policy = parse_policy(text)
        print(f"{text}\n{head}broken  baseline  nothing  density  attainable    bias  same")
        for population in populations(arguments.folders, arguments.discordance):
            for how, n_selection in (("validation", 0), ("selection", arguments.selection)):
                rng = np.random.default_rng(arguments.seed)
                draws = [
                    play(
                        population,
                        policy,
                        rng,
                        n_validation=arguments.validation,
                        n_selection=n_selection,
                    )
                    for _ in range(arguments.draws)
                ]
                total = summarise(population, draws, policy)
                print(
                    f"{population.name[-23:]:24}{how:12}{total.broken:6.1%}"
                    f"{total.baseline:10.1%}{total.nothing:9.1%}{total.density_ratio:9.2f}"
                    f"{total.attainable:12.2f}{total.bias:+8.4f}{total.same:6.0%}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
