"""The baselines that limits compare with: the best mean over seeds, without a threshold."""

from collections.abc import Iterable, Mapping

from deft_sweeps.config.baseline_kind import BASELINES, BaselineName
from deft_sweeps.findings.front_member import FrontMember, configurations
from deft_sweeps.result import TrainingAtRung, TrialResult

Baselines = Mapping[BaselineName, FrontMember]


def best_baseline(members: Iterable[FrontMember]) -> FrontMember | None:
    """The best-scoring member without a threshold, of equals the one that finished first; None if
    no member was measured without a threshold."""
    whole = (member for member in members if member.point.is_unthresholded)
    return max(whole, key=_merit, default=None)


def baseline_member(results: Iterable[TrialResult | TrainingAtRung], name: BaselineName = "peft") -> FrontMember | None:
    """The best configuration of those that `objective.BASELINES` describes; None if there is none.

    Raises:
        ValueError: no such baseline.
    """
    if name not in BASELINES:
        raise ValueError(f"no baseline {name!r}; there are {', '.join(BASELINES)}")
    return best_baseline(configurations(r for r in results if r.config.is_baseline(name)))


def baselines_of(results: Iterable[TrialResult | TrainingAtRung]) -> dict[BaselineName, FrontMember]:
    """Every baseline that the results have."""
    results = tuple(results)
    members = {name: baseline_member(results, name) for name in BASELINES}
    return {name: member for name, member in members.items() if member is not None}


def _merit(member: FrontMember) -> tuple[float, float, str]:
    return member.values["score"], -member.result.finished_at, member.name
