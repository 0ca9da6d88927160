"""The baselines that a limit may name: a kind, alone or with named members of some axes.

A limit compares a point with the same metric of the baseline's unthresholded point; best among the
trials that are complete so far. `TrialConfig.is_baseline` says which configurations count. A named
member takes the place of what the kind asks of that axis: `baseline(peft, quantization: nf4)` is
plain PEFT on an NF4 base, for sweeps whose every trial is quantized.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

from deft_sweeps.config.axes import ACTIVATIONS, Peft, Pruning, Quantization

BaselineKind = Literal["peft", "plain", "dense", "unquantized"]
BaselineName = str
"""A baseline as `str(Baseline)` writes it: `peft`, or `peft, quantization: nf4`."""

BASELINES: dict[BaselineKind, str] = {
    "peft": (
        "the best-scoring plain PEFT trial: no density loss, the checkpoint's activation, unpruned,"
        " unquantized, no threshold"
    ),
    "plain": (
        "the best-scoring trial without a density loss and without skipped blocks, of any"
        " activation, quantization and pruning, no threshold"
    ),
    "dense": (
        "the best-scoring trial without pruning and without skipped blocks, whatever else it has,"
        " no threshold"
    ),
    "unquantized": (
        "the best-scoring trial without quantization, whatever else it has, no threshold"
    ),
}
"""Each kind in words."""

_UNTOUCHED: Mapping[BaselineKind, tuple[str, ...]] = {
    "peft": ("activation", "density", "adaptive", "pruning", "quantization"),
    "plain": ("density", "adaptive"),
    "dense": ("pruning", "adaptive"),
    "unquantized": ("quantization",),
}
"""The axes that each kind leaves as they are in the checkpoint."""


def _names(axis: object) -> tuple[str, ...]:
    return tuple(str(of.__dataclass_fields__["kind"].default) for of in get_args(axis))


AXIS_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "peft": _names(Peft),
    "activation": tuple(ACTIVATIONS),
    "quantization": _names(Quantization),
    "pruning": _names(Pruning),
}
"""The axes of which a baseline may name a member, with their members."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline, taken apart.

    Attributes:
        settings: named members by axis, in the order of AXIS_MEMBERS.
    """

    kind: BaselineKind
    settings: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> BaselineName:
        return ", ".join((self.kind, *(f"{axis}: {member}" for axis, member in self.settings)))

    @property
    def members(self) -> Mapping[str, str]:
        """The member that a configuration needs on each axis; axes that are free are left out."""
        untouched = {
            axis: "pretrained" if axis == "activation" else "none" for axis in _UNTOUCHED[self.kind]
        }
        return untouched | dict(self.settings)

    @property
    def meaning(self) -> str:
        """The baseline in words."""
        if not self.settings:
            return BASELINES[self.kind]
        needs = ", ".join(f"{axis} {member}" for axis, member in self.members.items())
        return f"the best-scoring trial with {needs}, whatever else it has, no threshold"


@lru_cache(maxsize=1000)
def baseline_of(name: BaselineName) -> Baseline:
    """The baseline of a name.

    Raises:
        ValueError: there is no such kind.
    """
    first, *settings = name.split(", ")
    for kind in BASELINES:
        if kind == first:
            pairs = (setting.partition(": ") for setting in settings)
            return Baseline(kind, tuple((axis, member) for axis, _, member in pairs))
    raise ValueError(f"expected one of {', '.join(BASELINES)}, got {first!r}")


@lru_cache(maxsize=1000)  # Asked of every configuration.
def members_asked(name: BaselineName) -> tuple[tuple[str, str], ...]:
    """Axis and member that a configuration needs to be the baseline of a name."""
    return tuple(baseline_of(name).members.items())
