"""The front as JSON, for pipes and for the tracker."""

import json
import math
from collections.abc import Sequence
from typing import Any

from deft_sweeps.config.trial import TrialConfig, codec
from deft_sweeps.findings.equal_density import EqualDensityGain, n_better_and_worse
from deft_sweeps.findings.front_member import FrontMember
from deft_sweeps.findings.membership import Membership
from deft_sweeps.findings.pareto_front import ParetoFront
from deft_sweeps.result import Point

FRONT_SCHEMA_VERSION = 1


def front_json(
    front: ParetoFront,
    chosen: FrontMember | None = None,
    sure: Membership | None = None,
    gains: Sequence[EqualDensityGain] = (),
) -> str:
    """The front with every member's configuration and metrics, indented JSON; `chosen` is marked by
    name.

    Args:
        front: to tell.
        chosen: one of its members, or another point.
        sure: how likely each member is on it; left out where None.
        gains: what the density loss buys at equal density; left out where empty.
    """
    document = {
        "schema_version": FRONT_SCHEMA_VERSION,
        "objectives": list(front.objectives),
        "reference": front.reference,
        "reference_note": front.reference_note,
        "hypervolume": front.hypervolume,
        "n_candidates": front.n_candidates,
        "n_outside_limits": front.n_outside,
        "n_float_saturation": front.n_saturated,
        "awaiting_costs": dict(front.awaiting),
        "unjudged_limits": [str(limit) for limit in front.unjudged],
        "chosen": None if chosen is None else chosen.name,
        **({} if sure is None else {"noise": {"source": sure.source, "note": sure.note}}),
        "members": [
            member_dict(member)
            | {"n_equal": front.equal.get(member.name, 1)}
            | ({} if sure is None else {"front_probability": sure.probabilities[member.name]})
            for member in front.members
        ],
        **({"equal_density": equal_density_dict(gains)} if gains else {}),
    }
    return json.dumps(document, indent=1, allow_nan=False)


def equal_density_dict(gains: Sequence[EqualDensityGain]) -> dict[str, Any]:
    """The comparisons at equal density as plain JSON values; their intervals are simultaneous."""
    better, worse = n_better_and_worse(gains)
    compared = [(gain, gain.difference) for gain in gains if gain.difference]
    return {
        "interval": "95 % for all compared rows at once (Bonferroni); better and worse by Holm",
        "n_points": len(gains),
        "n_compared": len(compared),
        "n_better": better,
        "n_worse": worse,
        "compared": [
            {
                "name": f"{gain.deft.trial_id}@{gain.point.at}",
                "plain_trial_id": gain.plain.trial_id,
                "plain_thresholds": list(gain.plain_thresholds),
                "gain": difference.value,
                "standard_error": difference.standard_error,
                "low": difference.low,
                "high": difference.high,
                "outcome": {1: "better", -1: "worse", 0: "cannot tell"}[difference.outcome],
            }
            for gain, difference in compared
        ],
    }


def member_dict(member: FrontMember) -> dict[str, Any]:
    """One member as plain JSON values."""
    density, score, cost = member.point.density, member.point.score, member.result.cost
    stacks = {"encoder": density.encoder, "decoder": density.decoder}
    return {
        "name": member.name,
        "trial_id": member.result.trial_id,
        "threshold": member.point.threshold,
        **_by_block(member.point),
        "metrics": member.values,
        "float_saturation": member.point.float_saturation,
        "n_seeds": member.n_seeds,
        **_over_seeds(member),
        "score": {
            "metric": score.metric,
            "value": score.value,
            "n_examples": score.n_examples,
            "standard_error": score.standard_error,
            "also": score.also,
        },
        "density": {name: value for name, value in stacks.items() if math.isfinite(value)}
        | {"overall": density.overall},
        "cost_label": cost.label if cost else None,
        "config": codec(TrialConfig).dump_python(member.result.config, mode="json"),
    }


def _over_seeds(member: FrontMember) -> dict[str, Any]:
    """Each metric's 95 % interval of the mean over the seeds, and each seed's own figures; nothing
    of a single seed.
    """
    if not member.seeds:
        return {}
    means = {name: member.over_seeds(name) for name in member.values}
    return {
        "interval_over_seeds": {
            name: {"low": m.low, "high": m.high, "deviation": m.deviation}
            for name, m in means.items()
            if m
        },
        "seeds": [{"trial_id": one.result.trial_id, "metrics": one.values} for one in member.seeds],
    }


def _by_block(point: Point) -> dict[str, Any]:
    return (
        {}
        if point.percentile is None
        else {"percentile": point.percentile, "block_thresholds": list(point.block_thresholds)}
    )
