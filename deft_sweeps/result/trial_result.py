"""How one trial ended: complete, failed or stopped early. Frozen, JSON, with provenance.

The store holds nothing else, and everything shown is derived from it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from deft_sweeps.config.axes import check
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.result.measured_point import NO_BLOCKS, DensityReading, Point, SkippedBlocks
from deft_sweeps.result.number_check import check_numbers
from deft_sweeps.result.out_of_memory import OutOfMemory
from deft_sweeps.result.run_cost import Cost
from deft_sweeps.result.training_progress import Rung

SCHEMA_VERSION = 1

Status = Literal["complete", "failed", "stopped"]
"""`complete` ran to its end; `failed` could not; `stopped` was stopped early by a scheduler and has
no measured point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockGates:
    """Trained gate of each MLP block, in [0, 1] and open above 1/2, in the order of the blocks; 0
    for a block that was removed.
    """

    encoder: tuple[float, ...]
    decoder: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Enough to run the trial again and to know what it ran on.

    Attributes:
        n_micro_batches: that each step's batch was split into at the trial's end: more than
            `training.accumulation` if it ran out of memory before. None of earlier versions.
    """

    packages: dict[str, str]
    commit: str
    python: str
    device: str
    n_threads: int
    dataset_fingerprint: str
    checkpoint_revision: str
    n_micro_batches: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedTrial:
    """What every trial that ended has.

    Attributes:
        number: place among the proposals of its sweep, refused ones counted; None if it is not of a
            search.
        rungs: what was measured before its end, rising in steps; empty if nothing asked for it.
        exhaustions: attempts that ran out of memory before the one that ended it, in order.
        started_at, finished_at: seconds since the epoch.
        config_id: of the configuration, whatever the seed; derived.
        trial_id: name of this training, `<config_id>-s<seed>`; derived.
    """

    config: TrialConfig
    seed: int
    number: int | None = None
    rungs: tuple[Rung, ...] = ()
    exhaustions: tuple[OutOfMemory, ...] = ()
    started_at: float = 0.0
    finished_at: float = 0.0
    schema_version: int = SCHEMA_VERSION
    config_id: str = field(init=False, repr=False, compare=False)
    trial_id: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Once a result: hashing a configuration is slow, and the name is asked for all the time.
        object.__setattr__(self, "config_id", self.config.config_id)
        object.__setattr__(self, "trial_id", f"{self.config_id}-s{self.seed}")

    def to_json(self) -> bytes:
        """UTF-8 JSON that `read_result` reads back to an equal result."""
        return _READER.dump_json(self, indent=1) + b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteTrial(EndedTrial):
    """A trial that ran to its end.

    Attributes:
        points: one a threshold, rising, then one a percentile, rising; at least one.
        exact_density: share of entries that are not exactly zero with the gate in the base's own
            dtype: the paper's count, shown as paper-compatible only; None if it was not taken.
        layer_sparsity: share of zeros of each layer that was pruned, by its name; otherwise empty.
        cost: None only of made-up results.
        skipped: MLP blocks that ADA-DEFT removed.
        block_gates: its trained scalars; None without it.
        provenance: None only of made-up results.
    """

    points: tuple[Point, ...]
    exact_density: DensityReading | None = None
    layer_sparsity: dict[str, float] = field(default_factory=dict)
    cost: Cost | None = None
    skipped: SkippedBlocks = NO_BLOCKS
    block_gates: BlockGates | None = None
    provenance: Provenance | None = None
    status: Literal["complete"] = "complete"

    def __post_init__(self) -> None:
        EndedTrial.__post_init__(self)
        check(bool(self.points), "at least one measured point of a complete trial", self.points)

    def point_at(self, threshold: float) -> Point:
        """The point measured at `threshold` in all blocks.

        Raises:
            KeyError: none was.
        """
        for point in self.points:
            if point.threshold == threshold and point.percentile is None:
                return point
        raise KeyError(f"{self.trial_id} was not measured at threshold {threshold:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTrial(EndedTrial):
    """A trial that could not go on.

    Attributes:
        error: why, a sentence.
        infeasible: it ran out of memory however its batches were split, also in a larger share of
            a machine if there was one.
    """

    error: str
    infeasible: bool = False
    status: Literal["failed"] = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppedTrial(EndedTrial):
    """A trial that was stopped early because it was behind others."""

    status: Literal["stopped"] = "stopped"


TrialResult = CompleteTrial | FailedTrial | StoppedTrial

_READER: TypeAdapter[Any] = TypeAdapter(Annotated[TrialResult, Field(discriminator="status")])


def read_result(text: bytes) -> TrialResult:
    """Read what `to_json` wrote.

    Raises:
        ValueError: no such JSON, of a schema that this version does not read, or with a number
            that no trial can have given.
    """
    try:
        result: TrialResult = _READER.validate_json(text)
    except OverflowError as error:
        raise ValueError(f"a number is too large: {error}") from error
    version = result.schema_version
    if version > SCHEMA_VERSION:
        newer = f"schema version {version} is newer than {SCHEMA_VERSION}"
        raise ValueError(f"{newer}, which this version reads")
    if version < SCHEMA_VERSION:
        unknown = f"schema version {version} is unknown"
        raise ValueError(f"{unknown}; this version reads {SCHEMA_VERSION}")
    for name in ("started_at", "finished_at"):
        if not 0 <= getattr(result, name) <= _LATEST:
            raise ValueError(f"{name}: {getattr(result, name)!r} is no time")
    check_numbers(result)
    return result


_LATEST = 2.5e11
"""Seconds since the epoch; Python's calendar ends soon after."""


def complete_trials(results: Iterable[TrialResult]) -> tuple[CompleteTrial, ...]:
    """Those that ran to their end, in their order."""
    return tuple(result for result in results if isinstance(result, CompleteTrial))
