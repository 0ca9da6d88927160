"""What is fixed before the selection split is read: the candidates to certify, in order."""

from dataclasses import dataclass, field

from deft_sweeps.config.axes import check
from deft_sweeps.config.baseline_kind import BaselineName
from deft_sweeps.result.measured_point import point_name

CHAIN_VERSION = 1


def alpha_after(n_looks: int, alpha: float) -> float:
    """The alpha of a walk along examples that `n_looks` earlier walks have read: halved by each."""
    return alpha * 0.5**n_looks


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Trained weights at a fixed threshold.

    Attributes:
        trial_id: whose weights they are.
        threshold, percentile, block_thresholds: as a `Point` has them.
        p_validation: p-value of its limits on validation examples, in [0, 1]; it only sets the
            order.
        value: of the metric that orders the chain, on validation examples.
    """

    trial_id: str
    threshold: float
    percentile: float | None = None
    block_thresholds: tuple[float, ...] = ()
    p_validation: float = 0.0
    value: float = 0.0

    @property
    def name(self) -> str:
        """As a front member's name: `<trial_id>@<threshold>`."""
        return point_name(self.trial_id, self.threshold, self.percentile)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The candidates that are certified one after another, until the first one fails.

    It is written before a single selection example is read, and never changed afterwards.

    Attributes:
        alpha: the probability, at most, with which a certified candidate breaks a limit in truth.
        policy: that the candidates were ordered for.
        limits: of the sweep and of the policy, each once, without `surely`.
        metric: name of the metric that each step of the chain improves.
        baselines: the fixed weights that limits compare with, by the baseline's name.
        candidates: safest first.
        n_examples: of the selection split.
        dataset_fingerprint: of the data that the trials saw.
        n_trials: complete trials that the chain was made from.
        groups: of each selection example, numbered from 0, if rows share groups (`group:`, a movie,
            a passage): then groups are drawn, not rows. Empty if every row is by itself.
        fewest_of_a_class: selection examples of the rarest class that train has; None for tasks
            without classes.
        selection_fingerprint: of the selection examples alone: the same rows have the same one,
            whatever the model and the other splits.
        runtime: that every score is taken in; empty is the trial itself.
        n_looks: walks over the same examples by earlier sweeps, whose results this one started
            from.
    """

    alpha: float
    policy: str
    limits: tuple[str, ...]
    metric: str
    baselines: dict[BaselineName, Candidate] = field(default_factory=dict)
    candidates: tuple[Candidate, ...] = ()
    n_examples: int
    dataset_fingerprint: str = ""
    n_trials: int = 0
    groups: tuple[int, ...] = ()
    fewest_of_a_class: int | None = None
    selection_fingerprint: str = ""
    runtime: str = ""
    n_looks: int = 0
    schema_version: int = CHAIN_VERSION

    def __post_init__(self) -> None:
        check(0 < self.alpha < 1, "0 < alpha < 1", self.alpha)
        check(self.n_examples >= 0, "n_examples >= 0", self.n_examples)
        check(self.schema_version == CHAIN_VERSION, f"version {CHAIN_VERSION}", self.schema_version)
