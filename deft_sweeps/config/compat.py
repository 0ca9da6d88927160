"""Combinations that are illegal whatever the model, each with the sentence that says why. What depends on shapes is in `models`."""

from collections.abc import Callable
from dataclasses import dataclass

from deft_sweeps.config.axes import DensityLoss, Lora, NoPruning
from deft_sweeps.config.trial import TrialConfig


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of combination that cannot run, or would run under a second name."""

    breaks: Callable[[TrialConfig], bool]
    reason: str


def _loss(config: TrialConfig) -> DensityLoss | None:
    return config.density if isinstance(config.density, DensityLoss) else None


RULES: tuple[Rule, ...] = (
    Rule(
        lambda c: (loss := _loss(c)) is not None and loss.reduction == "feature_map" and c.training.accumulation > 1,
        "the density loss with reduction feature_map takes its mean over the whole batch, which does not split into the micro-batches "
        "of accumulation > 1",
    ),
    Rule(
        lambda c: (loss := _loss(c)) is not None and loss.surrogate == "tanh" and loss.eps != DensityLoss().eps,
        "eps has no effect on the surrogate tanh, so one configuration would run under several names",
    ),
    Rule(
        lambda c: (loss := _loss(c)) is not None and loss.surrogate == "l0" and loss.beta != DensityLoss().beta,
        "beta has no effect on the surrogate l0, so one configuration would run under several names",
    ),
    Rule(
        lambda c: (loss := _loss(c)) is not None and loss.eps_start is not None and loss.surrogate == "tanh",
        "eps_start has no effect on the surrogate tanh, so one configuration would run under several names",
    ),
    Rule(
        lambda c: (loss := _loss(c)) is not None and loss.eps_start is not None and loss.eps_start == loss.eps,
        "an eps_start that equals eps has no effect, so one configuration would run under several names",
    ),
    Rule(
        lambda c: (loss := _loss(c)) is not None and loss.eps_start is None and loss.eps_anneal != DensityLoss().eps_anneal,
        "eps_anneal has no effect without eps_start, so one configuration would run under several names",
    ),
    Rule(
        lambda c: not isinstance(c.pruning, NoPruning) and c.pruning.pattern != "unstructured" and c.pruning.sparsity != 0.5,
        "an n:m pattern zeroes half of the weights, so its sparsity is 0.5",
    ),
    Rule(
        lambda c: isinstance(c.peft, Lora) and c.peft.masked and isinstance(c.pruning, NoPruning),
        "a masked update keeps a pruned base's zeros, and this base is not pruned",
    ),
)


def illegal(config: TrialConfig) -> str | None:
    """Why `config` cannot run on any model, every reason that holds; None where it can."""
    reasons = [rule.reason for rule in RULES if rule.breaks(config)]
    return "; ".join(reasons) if reasons else None
