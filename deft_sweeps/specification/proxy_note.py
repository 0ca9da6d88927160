"""Says what a search measures by a proxy only, where the spec makes it count."""

from deft_sweeps.metrics import METRICS
from deft_sweeps.specification.sweep_spec import SweepSpec


def proxy_note(spec: SweepSpec) -> str:
    """A sentence about objectives, and about limits and the metric of `choose`, that trials of a
    search have only a proxy of; empty if there are none. Those in `limits` are named with the
    sampler.
    """
    named = [f"objective {name}" for name in spec.objectives if METRICS[name].proxy_in_search]
    best = spec.choose.metric
    if best is not None and METRICS[best].proxy_in_search:
        named.append(f"choose: best {best}")
    named += [f"choose: `{limit}`" for limit in spec.choose.where if limit.rests_on_proxy]
    if not named:
        return ""
    return (
        f"{'; '.join(named)}: trials measure it beside others, which is a proxy; after the search"
        " each structure is measured alone, which may order configurations otherwise"
    )
