"""The sentences about what a choice buys and costs beside the baseline, and what limits cost."""

import math
from dataclasses import replace

from deft_sweeps.findings import Findings
from deft_sweeps.findings.limit_price import LimitPrice, moved
from deft_sweeps.findings.measured_cost import deployed_structure
from deft_sweeps.metrics import METRICS, measured
from deft_sweeps.result import CompleteTrial, Cost
from deft_sweeps.units import Dimension, quantity

BOUGHT = ("latency_sec", "weight_bytes", "peak_memory_bytes", "energy_ratio", "activation_density")
"""Metrics that say what a configuration buys beside the baseline, the user's own terms first."""

WORSE = {
    "latency_sec": "slower",
    "weight_bytes": "larger",
    "peak_memory_bytes": "hungrier for memory",
}
"""What a configuration with a higher value is, in words."""

UNIT_OF_PRICE: dict[Dimension, tuple[float, str]] = {
    "share": (0.01, "0.01"),
    "bytes": (2.0**20, "MiB"),
    "seconds": (1e-3, "ms"),
    "number": (1.0, "unit"),
}
"""What a limit's price is stated for."""


SAME_NETWORK = (
    "It is the baseline's network with other values, so latency, weights and memory are the same,"
    " except on hardware or kernels that skip zeros."
)


def bought_told(findings: Findings) -> str:
    """What the chosen configuration buys beside the baseline, as measured alone, a sentence; empty
    if either was not measured.
    """
    by_role = {final.role: final for final in findings.finals}
    if "chosen" not in by_role or "baseline" not in by_role:
        return ""
    mine, base = by_role["chosen"], by_role["baseline"]
    is_same = _is_same_network(findings)
    values = measured(mine.point, mine.cost), measured(base.point, base.cost)
    parts = []
    for name in BOUGHT:
        if name in WORSE and is_same:
            continue  # Timed twice, one network differs by noise alone.
        if all(name in of for of in values):
            metric = METRICS[name]
            how = metric.label(mine.cost) or "measured"
            own, other = (metric.text(of[name]) for of in values)
            contrast = "as well" if own == other else f"instead of {other}"
            parts.append(f"{metric.title} {own} {contrast} ({how})")
    text = f"Beside the baseline: {', '.join(parts)}." if parts else ""
    return f"{text} {SAME_NETWORK}" if is_same else text


def worse_told(findings: Findings) -> str:
    """That the choice is slower or larger than the baseline where both were measured alone, a
    sentence; empty if it is not.
    """
    mine, base = _costs_alone(findings)
    if _is_same_network(findings) or mine is None or base is None:
        return ""
    # A latency within the baseline's own interval is no difference.
    reach = {"latency_sec": base.latency_high_sec or base.latency_sec}
    parts = []
    for name, word in WORSE.items():
        own, other = getattr(mine, name), getattr(base, name)
        as_text = METRICS[name].text
        # What reads alike is no difference that anybody could act on.
        if own > reach.get(name, other) and as_text(own) != as_text(other):
            parts.append(f"{word} ({as_text(own)} instead of {as_text(other)})")
    if not parts:
        return ""
    text = f"Warning: beside the baseline the choice is {' and '.join(parts)}."
    if mine.latency_sec > reach["latency_sec"]:
        text += " A low density saves time only on hardware or kernels that skip zeros."
    return text


def prices_told(findings: Findings) -> tuple[str, ...]:
    """What each limit costs, two sentences a limit; empty if none excludes a better point."""
    return tuple(_price_told(price) for price in findings.limit_prices)


def _price_told(price: LimitPrice) -> str:
    limit, metric = METRICS[price.limit.metric], METRICS[price.metric]
    size, unit = UNIT_OF_PRICE[limit.dimension]
    better = "less" if metric.direction == "minimize" else "more"
    rate = f"{metric.text(price.gain * size / price.move)} {better} per {unit} of {limit.title}"
    how = (
        "read off the values on validation examples"
        if price.split == "validation"
        else "by the test of the candidate that ended the walk, on selection examples"
    )
    return (
        f"`{_moved_text(price)}` instead of `{price.limit}` would admit {price.name}:"
        f" {metric.title} {metric.text(price.gain)} {better}, {rate}; {how}. It is no certificate:"
        " a limit that was moved needs selection examples of its own."
    )


def _moved_text(price: LimitPrice) -> str:
    """The limit as it would have to be written, its move rounded up to two digits."""
    digit = 10.0 ** (math.floor(math.log10(price.move)) - 1)
    limit = moved(price.limit, math.ceil(price.move / digit - 1e-9) * digit)
    dimension, value = METRICS[limit.metric].dimension, limit.bound.value
    has_unit = dimension in ("bytes", "seconds")
    text = quantity(abs(value), dimension) if has_unit else f"{abs(value):.6g}"
    sign = "-" if value < 0 else "+"
    if limit.bound.baseline is not None:
        text = f"baseline({limit.bound.baseline}) {sign} {text}"
    elif value < 0:
        text = f"-{text}"
    return str(replace(limit, bound=replace(limit.bound, written=text)))


def _is_same_network(findings: Findings) -> bool:
    """Whether choice and baseline differ in trained values and thresholds alone."""
    members = findings.choice.member, findings.choice.baseline
    trials = [m.result for m in members if m is not None and isinstance(m.result, CompleteTrial)]
    return len(trials) == 2 and len(set(map(deployed_structure, trials))) == 1


def _costs_alone(findings: Findings) -> tuple[Cost | None, Cost | None]:
    """Of the choice and the baseline, as measured alone: beside the test split, else by structure;
    None where it was not.
    """
    by_role = {final.role: final.cost for final in findings.finals}
    if "chosen" in by_role and "baseline" in by_role:
        return by_role["chosen"], by_role["baseline"]
    choice = findings.choice
    mine, base = (
        None if member is None or member.result.cost is None else member.result.cost
        for member in (choice.member, choice.baseline)
    )
    alone = all(cost is not None and cost.label == "measured" for cost in (mine, base))
    return (mine, base) if alone else (None, None)
