"""Says what a search measures by a proxy only, where the spec makes it count."""

from deft_sweeps.specification.sweep_spec import SweepSpec


def proxy_note(spec: SweepSpec) -> str:
    """A sentence about objectives, and about limits and the metric of `choose`, that trials of a
    search have only a proxy of; empty if there are none. Those in `limits` are named with the
    sampler.
    """
    named = [f"objective {name}" for name in spec.objectives if spec.is_proxy_in_search(name)]
    best = spec.choose.metric
    if best is not None and spec.is_proxy_in_search(best):
        named.append(f"choose: best {best}")
    named += [
        f"choose: `{limit}`" for limit in spec.choose.where if spec.is_proxy_in_search(limit.metric)
    ]
    if not named:
        return ""
    return (
        f"{'; '.join(named)}: what trials measure is a proxy; after the search"
        " each structure is measured alone, which may order configurations otherwise"
    )
