"""How far proxies of latency and memory differ between trials of one structure.

A proxy is taken beside other trials, so it depends on what else ran. Trials of one structure are
equal networks: what their proxies differ by says how little a limit on one means.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from deft_sweeps.config.axes import NoDensityLoss, NoSkipping, Training
from deft_sweeps.metrics import METRICS
from deft_sweeps.objective import Constraint
from deft_sweeps.result import CompleteTrial, TrialResult, complete_trials


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
        """Largest over smallest, >= 1."""
        return self.high / self.low


def structure_of(result: CompleteTrial, metric: str) -> Hashable:
    """What a trial shares with all trials that cost the same: everything but its seed and what
    changes trained values alone.

    Optimiser and density loss change no network, so the latency is that of the same network. Peak
    memory includes training, so there the batch, dropout and the kind of density loss count too.
    Removed blocks always do.
    """
    scale: dict[str, Any] = {"alpha": 1, "rslora": False, "dropout": 0.0}
    if metric == "peak_memory_bytes":
        del scale["dropout"]  # In training its masks take memory.
    peft: Any = result.config.peft
    given = {field.name for field in fields(peft)}
    config = replace(
        result.config,
        peft=replace(peft, **{name: value for name, value in scale.items() if name in given}),
        density=NoDensityLoss(),
        adaptive=NoSkipping(),
        training=Training(),
        base_dropout=0.0,
    )
    in_training: Hashable = ()
    if METRICS[metric].of_training:
        training = result.config.training
        kinds = (result.config.density.kind, result.config.adaptive.kind)
        in_training = (training.batch_size, training.accumulation, *kinds)
    return config, result.skipped, in_training


def proxy_spread(results: Iterable[TrialResult], metric: str) -> ProxySpread | None:
    """The widest spread of `metric` between trials of one structure; None where no two share one.

    Args:
        results: of any status; those without a proxy of the metric are left out.
        metric: one with `proxy_in_search`.
    """
    values: dict[Hashable, list[float]] = defaultdict(list)
    for result in _with_proxy(results):
        value = METRICS[metric].read(result.points[0], result.cost)
        if value is not None and value > 0:
            values[structure_of(result, metric)].append(value)
    spreads = [
        ProxySpread(min(some), max(some), len(some)) for some in values.values() if len(some) > 1
    ]
    return max(spreads, key=lambda spread: spread.ratio, default=None)


def proxy_spreads(
    results: Sequence[TrialResult], limits: Iterable[Constraint]
) -> dict[Constraint, ProxySpread | None]:
    """The spread behind each limit that was judged by a proxy; empty if none was."""
    if not _with_proxy(results):
        return {}
    return {limit: proxy_spread(results, limit.metric) for limit in limits if limit.rests_on_proxy}


def _with_proxy(results: Iterable[TrialResult]) -> list[CompleteTrial]:
    return [r for r in complete_trials(results) if r.cost and r.cost.label == "proxy"]
