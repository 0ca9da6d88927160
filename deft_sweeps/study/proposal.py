"""A trial that a search has proposed and that has not ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import NonNegativeInt, PositiveInt

from deft_sweeps.config.trial import TrialConfig, codec
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.sweep_spec import SweepSpec

Origin = Literal["sampler", "random", "first", "extra", "warm_start", "baseline"]
"""Who proposed a point: the sampler, a random draw in its place, the `first` points of the YAML,
the caller (seeds of the front, the twin), an earlier sweep, or a limit that needs its baseline."""

WHOLE: frozenset[Origin] = frozenset({"first", "extra", "baseline"})
"""Origins of points that run to their end: somebody asked for this very point."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A trial that is about to run or is running.

    Attributes:
        number: place among the proposals of the sweep, refused ones counted.
        start: the point of the space.
        config: its configuration.
        started_at: seconds since the epoch.
        verdicts: step of each rung that was decided, and whether the trial went on.
        sampler_attrs: Optuna's attributes of the trial. TPE keeps values there that it has drawn
            for settings of other combinations, and later proposals depend on them.
    """

    number: int
    start: Start
    config: TrialConfig
    seed: int
    origin: Origin
    started_at: float = 0.0
    verdicts: tuple[tuple[int, bool], ...] = ()
    sampler_attrs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def trial_id(self) -> str:
        """Name of this training: `<config_id>-s<seed>`."""
        return self.config.trial_id(self.seed)

    @property
    def runs_whole(self) -> bool:
        """Whether early stopping leaves it alone."""
        return self.origin in WHOLE

    def with_verdict(self, step: int, may_continue: bool) -> "Proposal":
        """The proposal after a rung was decided; deciding twice replaces."""
        verdicts = dict(self.verdicts) | {step: may_continue}
        return replace(self, verdicts=tuple(verdicts.items()))

    def tune_config(self) -> dict[str, object]:
        """What Tune ships to the worker."""
        config = codec(TrialConfig).dump_json(self.config).decode()
        return {"config": config, "seed": self.seed}

    def to_dict(self) -> dict[str, Any]:
        """JSON's types; `RecordedProposal` reads it."""
        return {
            "number": self.number,
            "trial_id": self.trial_id,
            "seed": self.seed,
            "origin": self.origin,
            "parameters": start_to_dict(self.start),
            "verdicts": [list(verdict) for verdict in self.verdicts],
            "sampler_attrs": dict(self.sampler_attrs),
        }


@dataclass(frozen=True, slots=True)
class RecordedPoint:
    """A point of the space as JSON has it."""

    combination: str
    values: Mapping[str, Any]

    @property
    def start(self) -> Start:
        """The point; JSON has lists for tuples."""
        return Start(self.combination, {name: _value(v) for name, v in self.values.items()})


@dataclass(frozen=True, slots=True)
class RecordedProposal:
    """A proposal as `Proposal.to_dict` wrote it; pydantic checks types and ranges."""

    number: NonNegativeInt
    trial_id: str
    seed: NonNegativeInt
    origin: Origin
    parameters: RecordedPoint
    verdicts: tuple[tuple[PositiveInt, bool], ...]
    sampler_attrs: Mapping[str, Any]

    def proposal(self, spec: SweepSpec) -> Proposal | None:
        """The proposal; None if the space no longer gives this trial."""
        start = self.parameters.start
        if not fits(spec, start):
            return None
        proposal = Proposal(
            self.number,
            start,
            spec.config(start),
            self.seed,
            self.origin,
            verdicts=self.verdicts,
            sampler_attrs=dict(self.sampler_attrs),
        )
        # What is fixed in the space may have changed since.
        return proposal if proposal.trial_id == self.trial_id else None


def fits(spec: SweepSpec, start: Start) -> bool:
    """Whether the point is in the space."""
    try:
        spec.config(start)
    except (KeyError, ValueError):
        return False
    return True


def start_to_dict(start: Start) -> dict[str, Any]:
    """JSON's types; `RecordedPoint` reads it."""
    return {"combination": start.combination, "values": dict(start.values)}


def _value(value: Any) -> Any:
    return tuple(_value(part) for part in value) if isinstance(value, list) else value
