"""Two landscapes in closed form with the traits of DEFT trials.

They have conditional settings, learning curves that cross, and noise. Both follow ZDT1 and ZDT3
(Zitzler, Deb, Thiele: Comparison of Multiobjective Evolutionary Algorithms, Evolutionary
Computation 8, 2000). A trial's density is f1, one minus its score stands for f2, and g is the
distance of the other settings from their best values.

- `bent`: one convex front. Density falls with the weight of the density loss and with the
  threshold. The best learning rate moves with the weight, so the front needs several settings.
- `broken`: a front in pieces, each owned by another combination. The combination that is best in
  most of the space owns no piece.
"""

import hashlib
import itertools
import json
import math
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from benchmarks.search.problem import Floats, directions, point
from deft_sweeps.config.axes import (
    Adapter,
    DensityLoss,
    Ia3,
    Lora,
    Nf4,
    NoDensityLoss,
    Peft,
    Training,
    Unquantized,
)
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.front import non_dominated
from deft_sweeps.objective import Policy
from deft_sweeps.result import Point
from deft_sweeps.specification.combination import Combination
from deft_sweeps.specification.domain import Domain, Float, Int
from deft_sweeps.specification.search_settings import Budget, Search
from deft_sweeps.specification.sweep_spec import SweepSpec

NAMES = ("bent", "broken")
STEPS = 81
RUNGS = (9, 27, 81)
THRESHOLDS = (0.0, 0.2, 0.5, 1.0)
RATE = Float(1e-4, 1e-2, log=True)
WEIGHT = Float(0.05, 5.0, log=True)
RANK = Int(2, 64, log=True)
REDUCTION = Int(2, 64, log=True)
SCORE_NOISE = 0.006
DENSITY_NOISE = 0.02
RUNG_NOISE = 0.5
"""Noise of a single rung relative to the seed's noise, which all rungs of a trial share."""


def unit(domain: Float | Int, value: float) -> float:
    """Position of the value in its logarithmic range, in [0, 1]."""
    return math.log(value / domain.low) / math.log(domain.high / domain.low)


@dataclass(frozen=True)
class Settings:
    """A configuration as numbers in [0, 1] and indices.

    Attributes:
        push: strength of the density loss; 0 without one.
        rate: learning rate.
        size: size of the PEFT method; 1/2 for a method without one.
        peft: index of the method.
    """

    push: float
    rate: float
    size: float
    peft: int
    relu: bool
    nf4: bool


def settings(config: TrialConfig) -> Settings:
    push = (
        0.1 + 0.9 * unit(WEIGHT, config.density.weight)
        if isinstance(config.density, DensityLoss)
        else 0.0
    )
    match config.peft:
        case Lora(r=r):
            peft, size = 0, unit(RANK, r)
        case Adapter(reduction=reduction):
            peft, size = 1, 1.0 - unit(REDUCTION, reduction)
        case _:
            peft, size = 2, 0.5
    return Settings(
        push,
        unit(RATE, config.training.learning_rate),
        size,
        peft,
        config.activation == "relu",
        isinstance(config.quantization, Nf4),
    )


HOMES = ((0.12, 0.3), (0.45, 0.6), (0.25, 0.7))
"""Densities at which a combination of `broken` is best: by method, then by activation."""


def best(name: str, push: float, peft: int, relu: bool) -> tuple[float, float]:
    """Learning rate and size at which g is least.

    Density does not depend on them and f2 rises with g, so the front lies at these values.
    """
    return (
        (0.7 - 0.4 * push, 0.4 + 0.3 * push)
        if name == "bent"
        else (0.25 + 0.5 * HOMES[peft][int(relu)], 0.6)
    )


def bent(at: Settings, threshold: float) -> tuple[float, float]:
    """Density and f2, both about in [0, 1]; at the best settings g = 1: the front of ZDT1."""
    f1 = (1.0 - 0.9 * at.push) * (0.7 if at.relu else 1.0) / (1.0 + 4.0 * threshold) + 0.01
    rate, size = best("bent", at.push, at.peft, at.relu)
    worse = 0.05 * at.nf4 + (0.0, 0.04, 0.1)[at.peft] + 0.06 * at.relu * (1.0 - at.push)
    g = 1.0 + 4.0 * (at.rate - rate) ** 2 + 0.8 * (at.size - size) ** 2 + worse
    return f1, g * (1.0 - math.sqrt(f1 / g / 1.01))


def broken(at: Settings, threshold: float) -> tuple[float, float]:
    """Density and f2, both about in [0, 1].

    The wave of ZDT3, with each combination good in one stretch of density only.
    """
    f1 = (0.85 - 0.75 * at.push) / (1.0 + 3.0 * threshold) + 0.02 * at.nf4
    rate, size = best("broken", at.push, at.peft, at.relu)
    g = 1.0 + 3.0 * (at.rate - rate) ** 2 + 0.6 * (at.size - size) ** 2
    g += (
        2.5 * max(0.0, abs(f1 - HOMES[at.peft][int(at.relu)]) - 0.08)
        + 0.12 * (at.peft == 2)
        + 0.03 * (not at.nf4) * (at.peft == 1)
    )
    return f1, (g * (1.0 - math.sqrt(f1 / g)) - f1 * math.sin(10.0 * math.pi * f1) + 0.8) / 2.0


@dataclass(frozen=True)
class ClosedForm:
    """A Problem in closed form.

    Attributes:
        name: `bent` or `broken`.
    """

    name: str

    @property
    def rungs(self) -> tuple[int, ...]:
        return RUNGS

    @property
    def digest(self) -> str:
        contents = [
            self.true_front().round(9).tolist(),
            RUNGS,
            SCORE_NOISE,
            DENSITY_NOISE,
            RUNG_NOISE,
        ]
        return hashlib.sha256(json.dumps(contents).encode()).hexdigest()[:12]

    @property
    def note(self) -> str:
        noise = f"{SCORE_NOISE:g} of score, {DENSITY_NOISE:.0%} of density"
        return (
            f"closed form, {len(self.spec.combinations)} combinations; standard deviation between "
            f"seeds: {noise}"
        )

    @cached_property
    def spec(self) -> SweepSpec:
        return space(self.name)

    def curve(self, config: TrialConfig, seed: int, step: int) -> tuple[Point, ...]:
        at = settings(config)
        rng = np.random.default_rng([seed, int(config.config_id, 16)])
        of_seed = rng.normal(size=2)
        of_rung = np.random.default_rng([seed, int(config.config_id, 16), step]).normal(size=2)
        score_off, density_off = (of_seed + RUNG_NOISE * of_rung) / math.hypot(1.0, RUNG_NOISE)
        points = []
        for threshold in THRESHOLDS:
            score, density = self._on_the_way(at, threshold, step / STEPS)
            noisy = density * math.exp(DENSITY_NOISE * density_off)
            points.append(point(threshold, score + SCORE_NOISE * score_off, min(noisy, 1.0)))
        return tuple(points)

    def true_points(self, config: TrialConfig) -> Floats:
        return self.at(settings(config))

    def true_front(self) -> Floats:
        return _front(self.name)

    def step_sec(self, config: TrialConfig) -> float:
        return 1.1 if isinstance(config.quantization, Nf4) else 0.9

    def at(self, at: Settings) -> Floats:
        """Mean objectives of the fully trained settings, shape (thresholds, 2)."""
        return np.array([self._on_the_way(at, threshold, 1.0) for threshold in THRESHOLDS])

    def _on_the_way(self, at: Settings, threshold: float, trained: float) -> tuple[float, float]:
        """Score and density after the share `trained` of the steps.

        Curves cross: a high learning rate leads early, whatever its end. A strong density loss
        costs score before it lowers the density.
        """
        density, miss = (bent if self.name == "bent" else broken)(at, threshold)
        score = 0.9 - 0.4 * miss
        haste = 0.5 + 6.0 * at.rate
        learnt = (1.0 - math.exp(-haste * trained)) / (1.0 - math.exp(-haste))
        dense = min(1.0, density * (1.0 + 2.0 * at.push))
        return 0.5 + (score - 0.5) * learnt - 0.05 * at.push * (1.0 - trained), dense + (
            density - dense
        ) * trained**0.7


@cache
def _front(name: str) -> Floats:
    """The front over 91 strengths of each combination, each at its best rate and size."""
    problem = ClosedForm(name)
    front = np.empty((0, 2))
    for peft, relu, nf4 in itertools.product(range(3), (False, True), (False, True)):
        for push in (0.0, *np.linspace(0.1, 1.0, 91)):
            rate, size = best(name, float(push), peft, relu)
            at = Settings(float(push), rate, 0.5 if peft == 2 else size, peft, relu, nf4)
            front = np.concatenate([front, problem.at(at)])
        front = front[non_dominated(front, directions(problem.spec.objectives))]
    return front


def space(name: str) -> SweepSpec:
    """Three methods with activation, 4-bit weights and density loss, and their open settings."""
    sized: tuple[tuple[Peft, dict[str, Domain]], ...] = (
        (Lora(), {"peft.lora.r": RANK}),
        (Adapter(), {"peft.adapter.reduction": REDUCTION}),
        (Ia3(), {}),
    )
    combinations = []
    for (peft, of_peft), relu, nf4, pushed in itertools.product(
        sized, (False, True), (False, True), (False, True)
    ):
        template = TrialConfig(
            activation="relu" if relu else "pretrained",
            peft=peft,
            quantization=Nf4() if nf4 else Unquantized(),
            density=DensityLoss() if pushed else NoDensityLoss(),
            training=Training(steps=STEPS),
        )
        label = (
            f"{template.activation} {peft.kind} {template.density.kind} "
            f"{template.quantization.kind} none"
        )
        of_density: dict[str, Domain] = {"density.loss.weight": WEIGHT} if pushed else {}
        combinations.append(
            Combination(label, {"training.learning_rate": RATE, **of_peft, **of_density}, template)
        )
    return SweepSpec(
        name=name,
        objectives=("score", "activation_density"),
        limits=(),
        choose=Policy(),
        combinations=tuple(combinations),
        excluded=(),
        first=(),
        evaluation=Evaluation(thresholds=THRESHOLDS, objective_threshold=0.5),
        search=Search(),
        budget=Budget(trials=1000, concurrency=4),
    )


def make(name: str) -> ClosedForm:
    return ClosedForm(name)
