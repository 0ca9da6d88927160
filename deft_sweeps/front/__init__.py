"""The front: which measured points nothing else beats, what they cost, and what the density loss buys at equal density."""

from deft_sweeps.front.dominance import hypervolume, knee_distances, non_dominated, non_dominated_rank
from deft_sweeps.front.encode import front_json
from deft_sweeps.front.gains import (
    Gain,
    PairedDifference,
    all_gains,
    at_equal_density,
    density_change,
    mean_difference,
    paired_difference,
    score_difference,
    twin_config,
)
from deft_sweeps.front.noise import Membership, membership
from deft_sweeps.front.pareto import (
    FrontMember,
    ParetoFront,
    TradeOff,
    baseline_member,
    baseline_values,
    baselines_of,
    candidates,
    configurations,
    pareto_front,
    trade_offs,
)
from deft_sweeps.front.seeds import SeedMean

__all__ = [
    "FrontMember",
    "Gain",
    "Membership",
    "PairedDifference",
    "ParetoFront",
    "SeedMean",
    "TradeOff",
    "all_gains",
    "at_equal_density",
    "baseline_member",
    "baseline_values",
    "baselines_of",
    "candidates",
    "configurations",
    "density_change",
    "front_json",
    "hypervolume",
    "knee_distances",
    "mean_difference",
    "membership",
    "non_dominated",
    "non_dominated_rank",
    "paired_difference",
    "pareto_front",
    "score_difference",
    "trade_offs",
    "twin_config",
]
