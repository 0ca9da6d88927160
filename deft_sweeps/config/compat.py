"""Combinations that are illegal whatever the model, each with the sentence that says why. What depends on shapes is in `models`."""

from collections.abc import Callable
from dataclasses import dataclass

from deft_sweeps.config.axes import AdaDeft, AdaLora, DensityLoss, Int8, Lora, NoPruning
from deft_sweeps.config.trial import TrialConfig


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of combination that cannot run, or would run under a second name."""

    breaks: Callable[[TrialConfig], bool]
    reason: str


def _loss(config: TrialConfig) -> DensityLoss | None:
    return config.density if isinstance(config.density, DensityLoss) else None


def _steps_before_last_cut(config: TrialConfig) -> int | None:
    """None for every method but AdaLoRA."""
    if not isinstance(config.peft, AdaLora):
        return None
    return config.training.steps - int(config.peft.final_share * config.training.steps)


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
        lambda c: isinstance(c.peft, Lora) and c.peft.dora and isinstance(c.quantization, Int8),
        "DoRA needs the length of each weight row, which cannot be taken of an int8 weight",
    ),
    Rule(
        lambda c: isinstance(c.peft, Lora) and c.peft.dora and c.peft.masked,
        "a masked update replaces LoRA's own arithmetic, and DoRA's with it",
    ),
    Rule(
        lambda c: isinstance(c.peft, AdaLora) and isinstance(c.adaptive, AdaDeft),
        "AdaLoRA shares its ranks out over all layers, and ADA-DEFT removes some of those on the way",
    ),
    Rule(
        lambda c: (steps := _steps_before_last_cut(c)) is not None and steps < 2,
        "AdaLoRA needs a step to weigh its ranks before the one that cuts them last: more steps, or a smaller final_share",
    ),
    Rule(
        lambda c: (loss := _loss(c)) is not None and loss.eps_start_factor != 1 and loss.surrogate == "tanh",
        "eps_start_factor has no effect on the surrogate tanh, so one configuration would run under several names",
    ),
    Rule(
        lambda c: (loss := _loss(c)) is not None and loss.eps_start_factor == 1 and loss.eps_anneal != DensityLoss().eps_anneal,
        "eps_anneal has no effect while eps_start_factor is 1, so one configuration would run under several names",
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
