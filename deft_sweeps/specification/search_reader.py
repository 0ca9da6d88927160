"""Reads how trials are measured and searched, and checks that against the objectives and space."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from deft_sweeps.config.trial import Evaluation
from deft_sweeps.metrics import METRICS
from deft_sweeps.specification.combination import Combination, fewest_steps
from deft_sweeps.specification.deployment_setting import Deployment
from deft_sweeps.specification.problem_collector import ProblemCollector
from deft_sweeps.specification.sampler_choice import why_not_suited
from deft_sweeps.specification.search_settings import Budget, Halving, Search, Stopping
from deft_sweeps.specification.setting_model import members_of
from deft_sweeps.specification.setting_reader import build, name_and_settings
from deft_sweeps.specification.yaml_schema import given_or_default


@dataclass(frozen=True, slots=True)
class SearchSection:
    """The part of a sweep's YAML that says how it is searched; None in the place of a problem."""

    evaluation: Evaluation | None
    search: Search | None
    budget: Budget | None
    stopping: Stopping | None
    deploy: Deployment | None

    @property
    def on_gpu(self) -> bool:
        """Whether trials run on a GPU."""
        return self.budget is not None and self.budget.gpu_share > 0


def read_search(data: Mapping[str, Any], problems: ProblemCollector) -> SearchSection:
    """The sections `evaluation`, `search`, `budget`, `stopping` and `deploy`."""
    section = SearchSection(
        _read_evaluation(data.get("evaluation"), problems),
        build(Search, data.get("search"), ("search",), problems),
        build(Budget, data.get("budget"), ("budget",), problems),
        _read_stopping(given_or_default(data, "stopping"), problems),
        _read_deployment(data.get("deploy"), problems),
    )
    _check_deployment(section, problems)
    return section


def _read_deployment(data: Any, problems: ProblemCollector) -> Deployment | None:
    deploy: Deployment | None = None
    if data is not None:
        deploy = build(Deployment, data, ("deploy",), problems)
    return deploy


def _check_deployment(section: SearchSection, problems: ProblemCollector) -> None:
    """Reports a runtime that cannot compute what the sweep measures."""
    deploy, evaluation = section.deploy, section.evaluation
    if deploy is None:
        return
    if section.on_gpu:
        what = f"{deploy.runtime} is measured on the CPU, but trials run on a GPU"
        problems.add(("deploy", "runtime"), what, "leave out deploy, and use `deft-sweeps bench`")
    if evaluation is None or deploy.has_threshold:
        return
    used = (*evaluation.thresholds, evaluation.objective_threshold)
    if any(used) or evaluation.percentiles:
        what = f"{deploy.runtime} drops no gate entries, but the sweep measures thresholds above 0"
        mend = "write `evaluation: {thresholds: [0], objective_threshold: 0}`, or take onnx"
        problems.add(("deploy", "runtime"), what, mend)


def _read_evaluation(data: Any, problems: ProblemCollector) -> Evaluation | None:
    evaluation: Evaluation | None = build(Evaluation, data, ("evaluation",), problems)
    if evaluation is None:
        return None
    for name in ("thresholds", "percentiles"):
        for i, (a, b) in enumerate(pairwise(getattr(evaluation, name)), 1):
            if f"{a:g}" == f"{b:g}":  # Results and figures name them with six digits.
                what = f"expected {name} that differ in six digits, got {a!r} and {b!r}"
                problems.add(("evaluation", name, i), what)
    return evaluation


def _read_stopping(data: Any, problems: ProblemCollector) -> Stopping | None:
    kind, settings = name_and_settings(data)
    of = members_of(Stopping).get(kind) if isinstance(kind, str) else None
    return None if of is None else build(of, settings, ("stopping", kind), problems)


def check_objectives_at_rungs(
    section: SearchSection, objectives: Sequence[str], problems: ProblemCollector
) -> None:
    """Reports objectives that early stopping would compare before they are measured."""
    if not isinstance(section.stopping, Halving):
        return
    late = " and ".join(
        name for name in objectives if name in METRICS and not METRICS[name].of_point
    )
    if late:
        what = f"trials are compared on their way, where {late} is not measured yet"
        problems.add(("stopping",), what, f"make a limit of {late}, or stop none")


def check_search_of_space(
    section: SearchSection, legal: Sequence[Combination], problems: ProblemCollector
) -> None:
    """Reports a sampler or an early stopping that the space does not suit."""
    if section.search is not None:
        reason = why_not_suited(section.search.sampler, legal)
        if reason is not None:
            mend = "take tpe or auto, or leave the same parameters open everywhere"
            problems.add(("search", "sampler"), reason, mend)
    if isinstance(section.stopping, Halving):
        _check_rungs(section.stopping, legal, problems)


def _check_rungs(
    stopping: Halving, legal: Sequence[Combination], problems: ProblemCollector
) -> None:
    n_steps = min(fewest_steps(combination) for combination in legal)
    if n_steps < stopping.least_steps:
        rungs = f"{stopping.rungs} rungs a factor {stopping.eta} apart"
        what = f"{rungs} need at least {stopping.least_steps} training steps, got {n_steps}"
        problems.add(("stopping",), what, "train longer, or take fewer rungs")
