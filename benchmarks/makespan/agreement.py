"""Whether both sides trained the same: else no figure counts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.makespan.sides import TrainedTrial
from benchmarks.makespan.workload import SEED
from deft_sweeps.config.axes import DensityLoss
from deft_sweeps.config.trial import Evaluation, TrialConfig

FLOAT32_TOLERANCE = 1e-5
N_SEEDS = 3


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of the last step's losses of all configurations.

    Attributes:
        difference: the largest one; relative to the loss if `relative`.
        tolerance: that it may reach.
        score: largest difference of two scores at one threshold, for information.
        density: the same of densities.
    """

    difference: float
    tolerance: float
    relative: bool
    score: float
    density: float

    @property
    def holds(self) -> bool:
        """Whether the losses agree."""
        return self.difference <= self.tolerance

    def __str__(self) -> str:
        kind = "relative" if self.relative else "absolute, the spread of three seeds"
        verdict = "agree" if self.holds else "DO NOT AGREE"
        return (
            f"last losses {verdict}: differ by {self.difference:.2g} at most,"
            f" {self.tolerance:.2g} allowed ({kind}); scores differ by {self.score:.3f},"
            f" densities by {self.density:.2g} at most"
        )


def agreement(
    ours: Mapping[str, TrainedTrial],
    script: Mapping[str, TrainedTrial],
    seed_spread: float | None,
) -> Agreement:
    """Compares the sides.

    Args:
        ours: trials by config_id.
        script: the same of the script.
        seed_spread: that losses may differ by in bfloat16; None asks for a relative difference of
            at most FLOAT32_TOLERANCE.

    Raises:
        ValueError: the sides trained other configurations.
    """
    if ours.keys() != script.keys():
        raise ValueError(
            f"expected the same configurations, got {sorted(ours.keys() ^ script.keys())}"
        )
    pairs = [(ours[name], script[name]) for name in ours]
    relative = seed_spread is None
    differences = [abs(a.loss - b.loss) / (abs(b.loss) if relative else 1.0) for a, b in pairs]
    points = [
        (p, q) for a, b in pairs for p, q in zip(a.points, b.points, strict=True) if p[0] == q[0]
    ]
    return Agreement(
        # A NaN would be lost in max().
        math.inf if any(math.isnan(one) for one in differences) else max(differences),
        FLOAT32_TOLERANCE if seed_spread is None else seed_spread,
        relative,
        max(abs(p[1] - q[1]) for p, q in points),
        max(abs(p[2] - q[2]) for p, q in points),
    )


def seed_spread(config: TrialConfig) -> float:
    """Range of the last step's loss over N_SEEDS trainings that differ in their seed."""
    from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory

    starter = TorchTrialStarterFactory(Evaluation(), n_threads=1)()
    density = config.density
    weight = density.weight if isinstance(density, DensityLoss) else 0.0
    losses = []
    for seed in range(SEED, SEED + N_SEEDS):
        last = starter(config, seed).advance(config.training.steps).steps[-1]
        losses.append(last.task_loss + weight * last.density_loss)
    return spread(losses)


def spread(losses: Sequence[float]) -> float:
    """The largest loss less the smallest."""
    return max(losses) - min(losses)
