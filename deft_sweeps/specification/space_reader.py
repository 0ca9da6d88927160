"""Reads what a sweep searches: the settings of every trial, the axes' members, combinations."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from deft_sweeps.config.data import FileTask, PackagedTask, Task, task_kind
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.objective import suggest
from deft_sweeps.specification.combination_space import (
    MAX_COMBINATIONS,
    CombinationSpace,
    combine,
    n_combinations,
)
from deft_sweeps.specification.compute_dtype import fast_dtype
from deft_sweeps.specification.problem_collector import ProblemCollector
from deft_sweeps.specification.setting_reader import (
    as_dict,
    as_list,
    build,
    name_and_settings,
    read_domains,
)
from deft_sweeps.specification.space_member import SpaceMember, default_member, member_of
from deft_sweeps.specification.template_check import template_problem
from deft_sweeps.specification.validation_message import Location
from deft_sweeps.specification.yaml_schema import AXES, FIXED, given_or_default, members, task_kinds
from deft_sweeps.task_metrics import suitable, why_unsuitable


def read_space(
    data: Mapping[str, Any], problems: ProblemCollector, *, on_gpu: bool
) -> CombinationSpace | None:
    """The sweep's space; None if a problem leaves nothing to combine.

    Whether the trials run on a GPU decides what `dtype: auto` is.
    """
    base = _read_base(data, problems, on_gpu=on_gpu)
    axes = as_dict(data.get("space"))
    by_axis = {axis: _read_axis(axis, axes.get(axis), problems) for axis in AXES}
    if problems.refuses("space") or not isinstance(data.get("space"), dict):
        return None
    return _read_combinations(base, by_axis, problems)


def _read_base(data: Mapping[str, Any], problems: ProblemCollector, *, on_gpu: bool) -> TrialConfig:
    """The settings that every trial shares; defaults in the place of refused ones."""
    names = [name for name in FIXED if name in data and not problems.refuses(name)]
    given = {name: data[name] for name in names}
    if given.get("dtype", "auto") == "auto":
        given["dtype"] = fast_dtype(on_gpu=on_gpu)
    given["task"] = _read_task(given_or_default(data, "task"), problems) or PackagedTask()
    if "base_dropout" in given:
        given["base_dropout"] = float(given["base_dropout"])
    for name in ("model", "base_dropout", "revision"):
        try:
            TrialConfig(**{key: given[key] for key in (name,) if key in given})
        except ValueError as error:
            problems.add((name,), str(error))
            del given[name]
    return TrialConfig(**given)


def _read_task(data: Any, problems: ProblemCollector) -> Task | None:
    if isinstance(data, str):
        return PackagedTask() if data == PackagedTask().name else None
    kind = as_dict(data).get("kind")
    of = task_kinds().get(kind) if isinstance(kind, str) else None
    if of is FileTask:
        data = _without_wrong_template(data, problems)
    task: Task | None = None if of is None else build(of, data, ("task",), problems)
    if isinstance(task, FileTask) and task.metric is not None:
        reason = why_unsuitable(task.metric, task_kind(task))
        if reason:
            names = [metric.name for metric in suitable(task_kind(task))]
            problems.add(("task", "metric"), reason + suggest(task.metric, names))
    return task


def _without_wrong_template(
    data: Mapping[str, Any], problems: ProblemCollector
) -> Mapping[str, Any]:
    """The task's settings without a template that has a problem, which is reported."""
    template = data.get("template")
    if not isinstance(template, str):
        return data
    problem = template_problem(template, paired=data.get("text_pair") is not None)
    if not problem:
        return data
    problems.add(("task", "template"), problem)
    return {name: value for name, value in data.items() if name != "template"}


def _read_axis(axis: str, data: Any, problems: ProblemCollector) -> list[SpaceMember]:
    """The members given on an axis, except those with problems."""
    if data is None:
        return [default_member(axis)]
    kinds = members(axis)
    if not kinds:
        single = _read_member(axis, "", AXES[axis], data, ("space", axis), problems)
        return [single] if single else []
    result: list[SpaceMember] = []
    counts: Counter[str] = Counter()
    for i, entry in enumerate(as_list(data)):
        kind, settings = name_and_settings(entry)
        if not isinstance(kind, str) or kind not in kinds:
            continue
        counts[kind] += 1
        label = kind if counts[kind] == 1 else f"{kind}-{counts[kind]}"
        location = ("space", axis, i)
        place = (*location, kind) if isinstance(entry, dict) else location
        if kinds[kind] is None:
            member: SpaceMember | None = SpaceMember(axis, label, kind, {})
        else:
            member = _read_member(axis, label, kinds[kind], settings, place, problems)
        if member is not None:
            _report_duplicate(member, result, location, problems)
            result.append(member)
    return result


def _read_member(
    axis: str,
    label: str,
    of: type[Any],
    data: Any,
    location: Location,
    problems: ProblemCollector,
) -> SpaceMember | None:
    settings = read_domains(of, data, location, problems, searched=True)
    return None if settings is None else member_of(axis, label, of, settings)


def _report_duplicate(
    member: SpaceMember,
    earlier: Sequence[SpaceMember],
    location: Location,
    problems: ProblemCollector,
) -> None:
    for other in earlier:
        if (other.value, other.settings) == (member.value, member.settings):
            what = f"the same member of {member.axis} as `{other.label}` before it"
            problems.add(location, what, "keep one of them")
            return


def _read_combinations(
    base: TrialConfig,
    by_axis: Mapping[str, Sequence[SpaceMember]],
    problems: ProblemCollector,
) -> CombinationSpace | None:
    n = n_combinations(by_axis)
    if n > MAX_COMBINATIONS:
        what = f"expected at most {MAX_COMBINATIONS} combinations of members, got {n}"
        problems.add(("space",), what, "take members out")
        return None
    space = combine(base, by_axis)
    if not space.legal:
        reasons = "; ".join(dict.fromkeys(e.reason for e in space.excluded))
        problems.add(("space",), f"none of the {n} combinations is legal: {reasons}")
        return None
    return space
