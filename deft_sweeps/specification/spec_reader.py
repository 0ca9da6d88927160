"""Reads a sweep's YAML into a SweepSpec, or into one error with every problem in it.

Three rounds of checks: the shape (pydantic), each value's range (the dataclasses, at both ends of
every domain), and what only the whole shows (legal combinations, first points, budget, baselines).
A round leaves out what an earlier one refused.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from os.path import expanduser, join
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.combination_space import CombinationSpace
from deft_sweeps.specification.first_point import read_first
from deft_sweeps.specification.policy_reader import PolicySection, read_policy
from deft_sweeps.specification.problem_collector import ProblemCollector
from deft_sweeps.specification.required_baseline import with_baselines
from deft_sweeps.specification.search_reader import (
    SearchSection,
    check_objectives_at_rungs,
    check_search_of_space,
    read_search,
)
from deft_sweeps.specification.space_reader import read_space
from deft_sweeps.specification.spec_text import read_text
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.specification.yaml_document import Document, read
from deft_sweeps.specification.yaml_schema import Sweep, given_or_default


def load_spec(path: Path | str) -> SweepSpec:
    """Reads a sweep's file, whose relative paths start from its folder; starts nothing, and looks
    for no model or data.

    Raises:
        ConfigError: with every problem in the file.
    """
    return parse_spec(read_text(path), str(path), str(Path(path).parent.resolve()))


def parse_spec(text: str, where: str, folder: str = "") -> SweepSpec:
    """The same from YAML text.

    Args:
        text: of one document.
        where: the file's name, for messages.
        folder: that relative paths start from; empty is the working directory.

    Raises:
        ConfigError: with every problem in the text.
    """
    return parse_document(read(text, where), folder)


def parse_document(document: Document, folder: str = "") -> SweepSpec:
    """The same from YAML that is read already.

    Raises:
        ConfigError: with every problem in the document.
    """
    problems = ProblemCollector(document)
    try:
        Sweep.model_validate_json(json.dumps(document.data))
    except ValidationError as error:
        problems.add_errors(error, Sweep)
    spec = _read_sweep(document.data, problems) if isinstance(document.data, dict) else None
    if spec is None:
        raise problems.error()
    earlier = (join(folder, expanduser(path)) for path in spec.search.warm_start)
    return replace(spec, search=replace(spec.search, warm_start=tuple(earlier)), folder=folder)


def _read_sweep(data: Mapping[str, Any], problems: ProblemCollector) -> SweepSpec | None:
    """The spec; None if there are problems."""
    section = read_search(data, problems)
    policy = read_policy(data, problems)
    check_objectives_at_rungs(section, policy.objectives, problems)
    space = read_space(data, problems, on_gpu=section.on_gpu)
    if space is None:
        return None
    first = _read_first_points(data, space, policy, section, problems)
    check_search_of_space(section, space.legal, problems)
    return None if problems else _assemble(data, space, first, policy, section)


def _read_first_points(
    data: Mapping[str, Any],
    space: CombinationSpace,
    policy: PolicySection,
    section: SearchSection,
    problems: ProblemCollector,
) -> list[Start]:
    """The user's first points with the baselines that limits need."""
    given = read_first(data.get("first"), space, problems)
    first, missing = with_baselines(given, policy.limits, policy.choose.where, space.legal)
    for baseline in missing:
        mend = f"add {baseline.members}"
        problems.add(policy.location_of(baseline.limit), str(baseline), mend)
    budget = section.budget
    if budget is not None and section.stopping is not None and budget.trials < len(first):
        points = f"the {len(first)} first points"
        if len(first) > len(given):
            points += ", a limit's baseline among them"
        what = f"expected trials for {points}, got {budget.trials}"
        problems.add(("budget", "trials"), what, "raise trials or shorten first")
    return first


def _assemble(
    data: Mapping[str, Any],
    space: CombinationSpace,
    first: list[Start],
    policy: PolicySection,
    section: SearchSection,
) -> SweepSpec | None:
    evaluation, search = section.evaluation, section.search
    budget, stopping = section.budget, section.stopping
    if evaluation is None or search is None or budget is None or stopping is None:
        return None
    return SweepSpec(
        name=data["name"],
        objectives=policy.objectives,
        limits=policy.limits,
        choose=policy.choose,
        combinations=space.legal,
        excluded=space.excluded,
        first=tuple(first),
        evaluation=evaluation,
        search=search,
        budget=budget,
        trial_seed=given_or_default(data, "trial_seed"),
        seeds=given_or_default(data, "seeds"),
        tracking_uri=given_or_default(data, "tracking_uri"),
        alpha=given_or_default(data, "alpha"),
        stopping=stopping,
        deploy=section.deploy,
    )
