"""TrialConfig, the currency of the house: what the search proposes, Ray ships, MLflow tags and a
result embeds.
"""

import hashlib
import json
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache, lru_cache
from typing import Any

from pydantic import TypeAdapter

from deft_sweeps.config.axes import (
    ACTIVATIONS,
    Activation,
    Adaptive,
    AxisMember,
    Density,
    Dtype,
    Lora,
    NoDensityLoss,
    NoPruning,
    NoSkipping,
    Peft,
    Pruning,
    Quantization,
    Training,
    Unquantized,
    check,
    check_path,
    check_revision,
)
from deft_sweeps.config.baseline_kind import BaselineName, members_asked
from deft_sweeps.config.data import PackagedTask, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialConfig:
    """One combination to train, prune, quantize and evaluate.

    Attributes:
        model: hub id, folder (a relative one starts from the YAML's), or `packaged/<name>` for a
            checkpoint that comes with a Python package.
        revision: commit, tag or branch of the hub's model; null is the newest that there is.
        base_dropout: dropout in the frozen base while training, in [0, 1); 0 by default, where the
            paper kept the checkpoint's.
        dtype: of the frozen base's computation. Trained parameters, the gate and the density are in
            float32 always.
    """

    model: str = "packaged/flan-t5-small-title"
    task: Task = field(default_factory=PackagedTask)
    activation: Activation = "pretrained"
    peft: Peft = field(default_factory=Lora)
    density: Density = field(default_factory=NoDensityLoss)
    adaptive: Adaptive = field(default_factory=NoSkipping)
    quantization: Quantization = field(default_factory=Unquantized)
    pruning: Pruning = field(default_factory=NoPruning)
    training: Training = field(default_factory=Training)
    dtype: Dtype = "bf16"
    base_dropout: float = 0.0
    revision: str | None = None

    def __post_init__(self) -> None:
        check_path("model", self.model)
        check_revision("revision", self.revision)
        check(0 <= self.base_dropout < 1, "base_dropout in [0, 1)", self.base_dropout)
        check(
            self.activation in ACTIVATIONS,
            f"activation as one of {', '.join(ACTIVATIONS)}",
            self.activation,
        )

    @property
    def members(self) -> tuple[AxisMember, ...]:
        """The member of every axis, in the order of a configuration's label."""
        activation = ACTIVATIONS[self.activation]
        return (self.peft, activation, self.density, self.adaptive, self.quantization, self.pruning)

    @property
    def has_density_loss(self) -> bool:
        """Whether training adds a density loss."""
        return not self.density.is_none

    @property
    def is_plain_peft(self) -> bool:
        """No density loss, the checkpoint's activation, no block skipped, unpruned, unquantized:
        what `baseline(peft)` compares with.
        """
        return self.is_baseline("peft")

    def is_baseline(self, name: BaselineName) -> bool:
        """Whether a trial of this configuration may be the baseline of that name."""
        return all(
            (self.activation if axis == "activation" else getattr(self, axis).kind) == member
            for axis, member in members_asked(name)
        )

    @property
    def checkpoint(self) -> str:
        """The model with its revision, as `models.checkpoints` names one: `name@revision`."""
        return self.model if self.revision is None else f"{self.model}@{self.revision}"

    @property
    def config_id(self) -> str:
        """12 hex digits of the SHA-256 of the canonical JSON. Seed and threshold are not part of
        it.
        """
        return _config_id(self)

    def trial_id(self, seed: int) -> str:
        """Name of one training of this configuration: `<config_id>-s<seed>`."""
        return f"{self.config_id}-s{seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How every trial of a sweep is measured; not part of config_id, since it changes no trained
    weight.

    Attributes:
        thresholds: gate entries with |O| <= threshold are set to zero, and score and density are
            measured together; rising, from 0 (nothing but exact zeros), which is always measured.
        objective_threshold: the one of `thresholds` at which the search compares trials.
        percentiles: shares in (0, 1), rising; for each one more point is measured, at thresholds
            that differ by block: each is where that share of the block's entries is zeroed on
            calibration examples.
        n_calibration: training examples that those are calibrated on.
        batch_size: examples a forward pass.
        latency_batch_size: examples of the fixed batch that is timed.
        latency_repeats: timed passes, of which the median is reported.
    """

    thresholds: tuple[float, ...] = (0.0, 0.01, 0.2, 0.5)
    objective_threshold: float = 0.01
    percentiles: tuple[float, ...] = ()
    n_calibration: int = 128
    batch_size: int = 64
    latency_batch_size: int = 8
    latency_repeats: int = 7

    def __post_init__(self) -> None:
        check(
            bool(self.thresholds) and self.thresholds[0] == 0,
            "thresholds that begin with 0",
            self.thresholds,
        )
        check(
            all(a < b for a, b in zip(self.thresholds, self.thresholds[1:], strict=False)),
            "rising thresholds",
            self.thresholds,
        )
        check(
            self.objective_threshold in self.thresholds,
            f"objective_threshold to be one of {self.thresholds}",
            self.objective_threshold,
        )
        check(
            all(0 < share < 1 for share in self.percentiles),
            "percentiles as shares in (0, 1)",
            self.percentiles,
        )
        check(
            all(a < b for a, b in zip(self.percentiles, self.percentiles[1:], strict=False)),
            "rising percentiles",
            self.percentiles,
        )
        check(self.n_calibration >= 1, "n_calibration >= 1", self.n_calibration)
        check(self.batch_size >= 1, "batch_size >= 1", self.batch_size)
        check(self.latency_batch_size >= 1, "latency_batch_size >= 1", self.latency_batch_size)
        check(self.latency_repeats >= 1, "latency_repeats >= 1", self.latency_repeats)


@lru_cache(maxsize=100_000)  # Asked for again and again; equal configurations have equal ids.
def _config_id(config: TrialConfig) -> str:
    text = json.dumps(canonical(config), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def canonical(value: Any) -> Any:
    """JSON-ready form without the fields that stand at their default, so that a field added later
    leaves old ids as they are.
    """
    if is_dataclass(value):
        of: Any = type(value)
        settings = ((name, getattr(value, name), other) for name, other in _defaults(of))
        return {
            name: canonical(one) for name, one, other in settings if name == "kind" or one != other
        }
    if isinstance(value, tuple):
        return [canonical(v) for v in value]
    # 1 and 1.0 are equal settings, so they must have one id.
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@cache  # Made once a type: thousands of configurations are compared with them.
def _defaults(of: Any) -> tuple[tuple[str, Any], ...]:
    """Each field's name and default."""
    return tuple(
        (f.name, f.default if f.default_factory is MISSING else f.default_factory())
        for f in fields(of)
    )


@cache
def codec(of: type[Any]) -> TypeAdapter[Any]:
    """Pydantic's JSON reader and writer of a frozen dataclass, made once a process."""
    return TypeAdapter(of)
