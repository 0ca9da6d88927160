"""A spec's YAML to a SweepSpec, or to every problem in it at once.

The checks come in three rounds: the shape (pydantic), each value's range (the dataclasses, at both ends of every domain), and what
only the whole can tell (legal combinations, first points, budget, the baseline). A round leaves out what an earlier one refused.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, cast, get_type_hints

from pydantic import TypeAdapter, ValidationError

from deft_sweeps.config.axes import check
from deft_sweeps.config.data import PackagedTask, Task
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.metrics import METRICS
from deft_sweeps.objective import Constraint, Policy, parse_constraint, parse_policy
from deft_sweeps.spec import points, space
from deft_sweeps.spec.baselines import MEMBERS, with_baselines
from deft_sweeps.spec.document import Document, read, read_text
from deft_sweeps.spec.domain import Const, Domain
from deft_sweeps.spec.explain import explain
from deft_sweeps.spec.hardware import fast_dtype
from deft_sweeps.spec.sampling import gp_refuses
from deft_sweeps.spec.schema import Budget, Combination, Excluded, Halving, Search, Start, Stopping, SweepSpec, fewest_steps
from deft_sweeps.spec.shape import AXES, FIXED, Sweep, domain_of, members, members_of, settings, tasks

Location = tuple[str | int, ...]


def load_spec(path: Path | str) -> SweepSpec:
    """Read a sweep's spec; nothing is started and no model or data is looked for.

    Raises:
        ConfigError: with every problem in the file.
    """
    return parse_spec(read_text(path), str(path))


def parse_spec(text: str, where: str) -> SweepSpec:
    """The same for text.

    Args:
        text: YAML.
        where: the file's name, for messages.

    Raises:
        ConfigError: with every problem in the text.
    """
    return parse_document(read(text, where))


def parse_document(document: Document) -> SweepSpec:
    """The same for text that is read already.

    Raises:
        ConfigError: with every problem in the document.
    """
    reader = _Reader(document, list(document.problems))
    try:
        Sweep.model_validate_json(json.dumps(document.data))
    except ValidationError as error:
        reader.problems += explain(error, document)
        reader.refused |= {details["loc"][:1] for details in error.errors(include_url=False)}
        reader.refused |= {details["loc"][:2] for details in error.errors(include_url=False)}
    spec = reader.spec() if isinstance(document.data, dict) else None
    if spec is None or reader.problems:
        unread = {problem.where for problem in document.problems}  # Of what stands in its place nothing is to be said.
        found = [problem for problem in reader.problems if problem in document.problems or problem.where not in unread]
        raise ConfigError(sorted(dict.fromkeys(found), key=_line))
    return spec


def _line(problem: Problem) -> tuple[int, int]:
    line, column = problem.where.split(":")[-2:]
    return int(line), int(column)


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


@dataclass
class _Reader:
    """Collects problems; `refused` holds the first one and two steps of where they are."""

    document: Document
    problems: list[Problem] = field(default_factory=list)
    refused: set[Location] = field(default_factory=set)

    def complain(self, location: Location, what: str, mend: str = "") -> None:
        self.refused |= {location[:1], location[:2]}
        self.problems.append(Problem(self.document.at(location), what, mend))

    def spec(self) -> SweepSpec | None:
        """The spec; None where a problem leaves nothing to make it from."""
        raw = self.document.data
        evaluation = self.evaluation(raw.get("evaluation"))
        search = self.make(Search, raw.get("search"), ("search",))
        budget = self.make(Budget, raw.get("budget"), ("budget",))
        stopping = self.stopping(raw.get("stopping", "none"))
        given = [self.limit(i, text) for i, text in enumerate(_list(raw.get("limits")))]
        limits = tuple(limit for limit in given if limit)
        choose = self.policy(raw.get("choose", "knee"))
        objectives = tuple(o for o in _list(raw.get("objectives", ["score", "activation_density"])) if isinstance(o, str))
        for i, name in enumerate(objectives):
            if name in objectives[:i]:
                self.complain(("objectives", i), f"the objective {name} is named twice", "keep one of them")
        if isinstance(stopping, Halving):
            self.late(objectives)
        base = self.base(raw, on_gpu=budget is not None and budget.gpus_per_trial > 0)
        options = self.options(_dict(raw.get("space")))
        if ("space",) in self.refused or not isinstance(raw.get("space"), dict):
            return None
        legal, excluded = self.combine(base, options)
        if not legal:
            return None
        first: list[Start] = []
        for i, point in enumerate(_list(raw.get("first"))):
            if ("first", i) not in self.refused:
                self.first(i, points.start(point, options, legal, excluded), first)
        n_given = len(first)
        first, lacking = with_baselines(first, limits, choose.where, legal)
        for baseline in lacking:
            place: Location = ("limits", given.index(baseline.limit)) if baseline.limit in given else ("choose",)
            self.complain(place, str(baseline), f"add {MEMBERS[baseline.name]}")
        if search is not None and search.sampler == "gp" and (told := gp_refuses(legal)):
            self.complain(("search", "sampler"), told, "take tpe or auto, or leave the same parameters open everywhere")
        if isinstance(stopping, Halving):
            self.halving(stopping, legal)
        if budget is None or stopping is None:
            return None
        if budget.trials < len(first):
            told = f"the {len(first)} first points" + (", a limit's baseline among them" if len(first) > n_given else "")
            self.complain(("budget", "trials"), f"expected trials for {told}, got {budget.trials}", "raise trials or shorten first")
        if self.problems:
            return None
        return SweepSpec(
            name=raw["name"],
            objectives=objectives,
            limits=limits,
            choose=choose,
            combinations=tuple(legal),
            excluded=tuple(excluded),
            first=tuple(first),
            evaluation=evaluation,
            search=search,
            budget=budget,
            trial_seed=raw.get("trial_seed", 0),
            seeds=raw.get("seeds", 1),
            tracking_uri=raw.get("tracking_uri"),
            stopping=stopping,
        )

    def evaluation(self, raw: Any) -> Any:
        made = self.make(Evaluation, raw, ("evaluation",))
        for name in ("thresholds", "percentiles") if made is not None else ():
            values = getattr(made, name)
            for i, (a, b) in enumerate(pairwise(values), 1):
                if f"{a:g}" == f"{b:g}":  # by which results and figures name them
                    self.complain(("evaluation", name, i), f"expected {name} that differ in six digits, got {a!r} and {b!r}")
        return made

    def stopping(self, raw: Any) -> Stopping | None:
        kind, given = next(iter(raw.items()), ("", None)) if isinstance(raw, dict) else (raw, None)
        of = members_of(Stopping).get(kind) if isinstance(kind, str) else None
        return None if of is None else self.make(of, given, ("stopping", kind))

    def halving(self, stopping: Halving, legal: Sequence[Combination]) -> None:
        """What halving asks of the space."""
        fewest = min(fewest_steps(combination) for combination in legal)
        if fewest < stopping.least_steps:
            what = f"{stopping.rungs} rungs a factor {stopping.eta} apart need at least {stopping.least_steps} training steps, got {fewest}"
            self.complain(("stopping",), what, "train longer, or take fewer rungs")

    def late(self, objectives: Sequence[str]) -> None:
        """What halving asks of the objectives."""
        late = [name for name in objectives if name in METRICS and not METRICS[name].of_point]
        if late:
            what = f"trials are compared on their way, where {' and '.join(late)} is not measured yet"
            self.complain(("stopping",), what, f"make a limit of {' and '.join(late)}, or stop none")

    def limit(self, i: int, text: Any) -> Constraint | None:
        if not isinstance(text, str):
            return None
        try:
            return parse_constraint(text)
        except ValueError as error:
            self.complain(("limits", i), str(error))
            return None

    def policy(self, text: Any) -> Policy:
        try:
            return parse_policy(text) if isinstance(text, str) else Policy()
        except ValueError as error:
            self.complain(("choose",), str(error))
            return Policy()

    def base(self, raw: Mapping[str, Any], *, on_gpu: bool) -> TrialConfig:
        """The settings that every trial shares; defaults where they were refused."""
        told = {name: raw[name] for name in FIXED if name in raw and (name,) not in self.refused}
        if told.get("dtype", "auto") == "auto":
            told["dtype"] = fast_dtype(on_gpu=on_gpu)
        told["task"] = self.task(raw.get("task", PackagedTask().name)) or PackagedTask()
        dropout = float(told.pop("base_dropout", 0.0))
        try:
            check(0 <= dropout < 1, "base_dropout in [0, 1)", dropout)
        except ValueError as error:
            self.complain(("base_dropout",), str(error))
            return TrialConfig(**told)
        return TrialConfig(**told, base_dropout=dropout)

    def task(self, raw: Any) -> Task | None:
        if isinstance(raw, str):
            return PackagedTask() if raw == PackagedTask().name else None
        kind = _dict(raw).get("kind")
        of = tasks().get(kind) if isinstance(kind, str) else None
        return None if of is None else self.make(of, raw, ("task",), kind=True)

    def options(self, raw: Mapping[str, Any]) -> dict[str, list[space.Option]]:
        """The members given on every axis, those without problems."""
        return {axis: self.axis(axis, raw.get(axis)) for axis in AXES}

    def axis(self, axis: str, raw: Any) -> list[space.Option]:
        known, place = members(axis), ("space", axis)
        if raw is None:
            default = getattr(TrialConfig(), axis)
            label = default if isinstance(default, str) else default.kind if known else ""
            return [space.Option(axis, label, default, {})]
        if not known:
            made = self.option(axis, "", AXES[axis], raw, place)
            return [made] if made else []
        found: list[space.Option] = []
        seen: dict[str, int] = {}
        for i, entry in enumerate(_list(raw)):
            kind, given = next(iter(entry.items()), ("", None)) if isinstance(entry, dict) else (entry, None)
            if not isinstance(kind, str) or kind not in known:
                continue
            seen[kind] = seen.get(kind, 0) + 1
            label = kind if seen[kind] == 1 else f"{kind}-{seen[kind]}"
            of = known[kind]
            path = (*place, i, kind) if isinstance(entry, dict) else (*place, i)
            made = space.Option(axis, label, kind, {}) if of is None else self.option(axis, label, of, given, path)
            if made is None:
                continue
            twin = next((o for o in found if (o.value, o.settings) == (made.value, made.settings)), None)
            if twin is not None:
                self.complain((*place, i), f"the same member of {axis} as `{twin.label}` before it", "keep one of them")
            found.append(made)
        return found

    def option(self, axis: str, label: str, of: type[Any], raw: Any, place: Location) -> space.Option | None:
        domains = self.domains(of, raw or {}, place, searched=True)
        if domains is None or not self.sound(of, domains, place):
            return None
        return space.option(axis, label, of, domains)

    def make(self, of: type[Any], raw: Any, place: Location, *, kind: bool = False) -> Any:
        """A dataclass from plain settings; None, and the problems told, where that cannot be."""
        domains = self.domains(of, raw or {}, place, searched=False, kind=kind)
        if domains is None or not self.sound(of, domains, place):
            return None
        return of(**{name: domain.value for name, domain in domains.items() if isinstance(domain, Const)})

    def sound(self, of: type[Any], domains: Mapping[str, Domain], place: Location) -> bool:
        try:
            found = space.faults(of, domains)
        except TypeError:  # a required setting is missing, which the shape has told
            return False
        for fault in found:
            self.complain((*place, *fault.path), fault.what)
        return not found

    def domains(self, of: type[Any], raw: Any, place: Location, *, searched: bool, kind: bool = False) -> dict[str, Domain] | None:
        """Each setting given, as a domain; what does not fit the shape is left out, since that has been told."""
        if not isinstance(raw, dict):
            return None
        hints = get_type_hints(of)
        shape: Any = settings(cast(Any, of), searched=searched, kind=kind)
        found: dict[str, Domain] = {}
        for f in fields(of):
            if f.name not in raw or f.name == "kind":
                continue
            hint: Any = hints[f.name]
            if is_dataclass(hint):
                nested = self.make(cast(Any, hint), raw[f.name], (*place, f.name))
                if nested is not None:
                    found[f.name] = Const(nested)
                continue
            field_of = shape.model_fields[f.name]
            annotation: Any = Annotated[field_of.annotation, *field_of.metadata] if field_of.metadata else field_of.annotation
            try:
                value = _adapter(annotation).validate_json(json.dumps(raw[f.name]), strict=True)
            except ValidationError:
                continue
            try:
                found[f.name] = domain_of(value)
            except ValueError as error:
                self.complain((*place, f.name), f"{f.name}: {error}")
        return found

    def combine(self, base: TrialConfig, options: Mapping[str, Sequence[space.Option]]) -> tuple[Sequence[Combination], Sequence[Excluded]]:
        n = space.n_combinations(options)
        if n > space.MAX_COMBINATIONS:
            self.complain(("space",), f"expected at most {space.MAX_COMBINATIONS} combinations of members, got {n}", "take members out")
            return (), ()
        legal, excluded = space.combine(base, options)
        if not legal:
            reasons = "; ".join(dict.fromkeys(e.reason for e in excluded))
            self.complain(("space",), f"none of the {n} combinations is legal: {reasons}")
        return legal, excluded

    def first(self, i: int, made: Start | list[space.Fault], first: list[Start]) -> None:
        if isinstance(made, list):
            for fault in made:
                self.complain(("first", i, *fault.path), fault.what)
        elif made in first:
            self.complain(("first", i), "the same point as one before it", "keep one of them")
        else:
            first.append(made)


def _dict(raw: Any) -> Mapping[str, Any]:
    return raw if isinstance(raw, dict) else {}


def _list(raw: Any) -> list[Any]:
    return raw if isinstance(raw, list) else []
