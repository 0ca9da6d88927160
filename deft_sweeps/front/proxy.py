"""How far proxies of latency and memory differ between trials of one structure.

A proxy is taken beside other trials, so it depends on what else ran. Trials of one structure are equal
networks: what their proxies differ by says how little a limit on one means.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from deft_sweeps.config.axes import NoDensityLoss, NoSkipping, Training
from deft_sweeps.objective import METRICS, Constraint
from deft_sweeps.result import TrialResult


@dataclass(frozen=True, slots=True)
class ProxySpread:
    """The proxies of the structure whose trials differ most.

    Attributes:
        low, high: the smallest and the largest, in the metric's unit, > 0.
        n_trials: of that structure, >= 2.
    """

    low: float
    high: float
    n_trials: int

    @property
    def ratio(self) -> float:
        return self.high / self.low


def structure_of(result: TrialResult, metric: str) -> Hashable:
    """What a trial shares with all trials that cost the same: everything but its seed and what changes
    trained values alone.

    Optimiser and density loss change no network, so the latency is that of the same network. Peak memory
    includes training, so there the batch and the kind of density loss count too. Removed blocks always do.
    """
    config = replace(result.config, density=NoDensityLoss(), adaptive=NoSkipping(), training=Training(), base_dropout=0.0)
    in_training: Hashable = ()
    if metric == "peak_memory_bytes":
        training = result.config.training
        kinds = (result.config.density.kind, result.config.adaptive.kind)
        in_training = (training.batch_size, training.accumulation, *kinds)
    return config, result.skipped, in_training


def proxy_spread(results: Iterable[TrialResult], metric: str) -> ProxySpread | None:
    """The widest spread of `metric` between trials of one structure; None where no two share one.

    Args:
        results: of any status; those without a proxy of the metric are left out.
        metric: of `objective.PROXIES`.
    """
    values: dict[Hashable, list[float]] = defaultdict(list)
    for result in _with_proxy(results):
        value = float(getattr(result.cost, metric))
        if value > 0:
            values[structure_of(result, metric)].append(value)
    spreads = [ProxySpread(min(some), max(some), len(some)) for some in values.values() if len(some) > 1]
    return max(spreads, key=lambda spread: spread.ratio, default=None)


def proxy_notes(results: Sequence[TrialResult], limits: Iterable[Constraint]) -> tuple[str, ...]:
    """A sentence of each limit that was judged by a proxy: that it was, and how far the proxy can be trusted."""
    if not _with_proxy(results):
        return ()
    limited = dict.fromkeys(limit for limit in limits if limit.rests_on_proxy)
    return tuple(f"`{limit}` {_note(proxy_spread(results, limit.metric), limit.metric)}" for limit in limited)


def _note(spread: ProxySpread | None, metric: str) -> str:
    begins = "was judged by a proxy, taken beside other trials"
    if spread is None:
        return f"{begins}; no two trials of one structure show how far it varies."
    low, high = _shown(spread.low, metric), _shown(spread.high, metric)
    return (
        f"{begins}: between {spread.n_trials} trials of one structure, which cost the same alone, it ranged "
        f"from {low} to {high}, {spread.ratio:.1f}-fold."
    )


def _with_proxy(results: Iterable[TrialResult]) -> list[TrialResult]:
    return [result for result in results if result.cost is not None and result.cost.label == "proxy"]


def _shown(value: float, metric: str) -> str:
    if METRICS[metric].dimension == "seconds":
        return f"{value * 1e3:.3g} ms"
    return f"{value / 2**20:.0f} MiB" if value >= 2**20 else f"{value:.0f} B"
