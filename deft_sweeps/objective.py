"""What is measured, which way is better, and the one grammar for limits and choices, in YAML and on
the command line.

    constraint  [surely] METRIC (<= | >= | < | >) BOUND
    BOUND       NUMBER, or baseline(KIND [, AXIS: MEMBER ...]) [(+ | -) NUMBER]
    policy      best METRIC [within SHARE %, then METRIC] [where CONSTRAINT [and ...]]
                or knee [where CONSTRAINT [and ...]]

    score >= baseline(peft) - 0.01
    score >= baseline(peft, quantization: nf4) - 2 %
    weight_bytes <= 64 MiB
    best activation_density where score >= baseline(peft) - 0.02
    best activation_density within 5 %, then score where score >= baseline(peft) - 0.02
    knee where latency_sec <= 20 ms

`within 5 %, then score` takes the best score among all that are within 5 % of the best density, so
that a thousandth of density never costs points of score. `surely` holds the limit against the end
of the 95 % interval, not against the value: `surely score >= baseline(peft) - 0.02`. Directions and
dimensions are stated in METRICS and nowhere else. A number may have a unit of its metric's
dimension; beside a baseline it is a difference in that dimension, so `score >= baseline(peft) - 1
%` means one point of a hundred, not a hundredth of the baseline.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Literal

from deft_sweeps.config.baseline_kind import (
    AXIS_MEMBERS,
    BASELINES,
    Baseline,
    BaselineName,
    baseline_of,
)
from deft_sweeps.metrics import METRICS
from deft_sweeps.units import EXAMPLES, QUANTITY, parse_quantity, shortened


@dataclass(frozen=True, slots=True)
class Bound:
    """A number, or a number beside a baseline's: `baseline(peft) - 0.01`.

    Attributes:
        written: as the user wrote it, with its unit; empty for a bound made in code.
    """

    value: float
    baseline: BaselineName | None = None
    written: str = field(default="", compare=False)

    def __str__(self) -> str:
        if self.written:
            return self.written
        if self.baseline is None:
            return _shown(self.value)
        sign = "-" if self.value < 0 else "+"
        return f"baseline({self.baseline})" + (
            f" {sign} {_shown(abs(self.value))}" if self.value else ""
        )


@dataclass(frozen=True, slots=True)
class Constraint:
    """A limit that a shipped configuration must keep.

    Attributes:
        surely: the near end of the 95 % interval must keep it: of the difference to the baseline,
            paired by example, or of the value.
        strict: `<` or `>`: the bound itself breaks it.
    """

    metric: str
    relation: Literal["<=", ">="]
    bound: Bound
    surely: bool = False
    strict: bool = False

    def __str__(self) -> str:
        relation = self.relation[0] if self.strict else self.relation
        return f"{'surely ' if self.surely else ''}{self.metric} {relation} {self.bound}"

    @property
    def bare(self) -> "Constraint":
        """The limit without `surely`: a certificate makes sure of every limit."""
        return replace(self, surely=False)

    @property
    def rests_on_proxy(self) -> bool:
        """Whether trials of a search have only a proxy of its metric."""
        return METRICS[self.metric].proxy_in_search

    def violation(self, value: float, baseline: float | None) -> float:
        """How far `value` is on the wrong side, in the metric's unit; <= 0 means kept. What
        `surely` adds is in `findings.limit_check`.

        Args:
            value: of the metric.
            baseline: the same metric of the bound's baseline; needed where the bound names one.

        Raises:
            ValueError: the bound names a baseline and none is given.
        """
        limit = self.bound.value
        if self.bound.baseline is not None:
            if baseline is None:
                raise ValueError(
                    f"`{self}` needs the baseline {self.bound.baseline}:"
                    f" {baseline_of(self.bound.baseline).meaning}"
                )
            limit += baseline
        return value - limit if self.relation == "<=" else limit - value


@dataclass(frozen=True, slots=True)
class Policy:
    """How to choose one member of a front.

    Attributes:
        metric: the one to be best at; None takes the knee.
        where: limits that the chosen member must keep.
        band: share of the best value of `metric`, within which `then` decides; 0 without `then`.
        then: name of the metric to be best at within the band.
    """

    metric: str | None = None
    where: tuple[Constraint, ...] = ()
    band: float = 0.0
    then: str | None = None

    def limits_with(self, limits: Iterable[Constraint]) -> tuple[Constraint, ...]:
        """The limits of a sweep, then the policy's own, each once."""
        return tuple(dict.fromkeys((*limits, *self.where)))

    def __str__(self) -> str:
        head = "knee" if self.metric is None else f"best {self.metric}"
        if self.then is not None:
            head += f" within {_shown(100 * self.band)} %, then {self.then}"
        return head + (" where " + " and ".join(str(c) for c in self.where) if self.where else "")


_SHARE = r"[\d.]+\s*%?"
_CONSTRAINT = re.compile(
    r"^(?P<surely>surely\s+)?(?P<metric>\w+)\s*(?P<relation><=|>=|<|>)(?P<bound>.+)$"
)
_BEST = re.compile(
    rf"^best\s+(?P<metric>\w+)(?:\s+within\s+(?P<band>{_SHARE})\s*,?\s+then\s+(?P<then>\w+))?$"
)
_PLAIN_BOUND = re.compile(rf"^{QUANTITY}$")
_BASELINE_BOUND = re.compile(
    rf"^baseline\((?P<inside>[^()]*)\)(?:\s*(?P<sign>[-+])\s*(?P<offset>{QUANTITY}))?$"
)


def suggest(word: str, candidates: object) -> str:
    """` (did you mean ...?)` where something known is close to `word`, else an empty string."""
    close = (
        get_close_matches(word, [str(k) for k in candidates], n=1)
        if isinstance(candidates, (dict, list, tuple, set, frozenset))
        else []
    )
    return f" (did you mean {close[0]}?)" if close else ""


def parse_metric(text: str) -> str:
    """Name of a metric, checked.

    Raises:
        ValueError: no such metric; the message lists those there are.
    """
    if text not in METRICS:
        raise ValueError(
            f"no metric {shortened(text)!r}{suggest(text, METRICS)}; there are {', '.join(METRICS)}"
        )
    return text


def parse_constraint(text: str) -> Constraint:
    """Read `METRIC <= BOUND`, or with `>=`, `<` or `>`, with or without `surely` before it.

    Raises:
        ValueError: with what was expected.
    """
    match = _CONSTRAINT.match(text.strip())
    if match is None:
        raise ValueError(f"expected METRIC <= BOUND or METRIC >= BOUND, got {shortened(text)!r}")
    relation: Literal["<=", ">="] = "<=" if match["relation"][0] == "<" else ">="
    metric = parse_metric(match["metric"])
    if match["surely"] and not METRICS[metric].has_interval:
        possible = ", ".join(name for name, other in METRICS.items() if other.has_interval)
        raise ValueError(
            f"`surely` needs a metric with a standard error ({possible}), got {metric!r}"
        )
    text_of_bound = match["bound"].strip()
    written = " ".join(text_of_bound.split())
    bound = replace(_parse_bound(text_of_bound, metric), written=written)
    strict = len(match["relation"]) == 1
    return Constraint(metric, relation, bound, match["surely"] is not None, strict)


def parse_policy(text: str) -> Policy:
    """Read `best METRIC [within SHARE %, then METRIC] [where ...]` or `knee [where ...]`.

    Raises:
        ValueError: with what was expected.
    """
    head, _, tail = text.strip().partition(" where ")
    where = tuple(parse_constraint(part) for part in tail.split(" and ")) if tail else ()
    if head.split() == ["knee"]:
        return Policy(None, where)
    match = _BEST.match(head)
    if match is None:
        raise ValueError(
            "expected `best METRIC [where LIMIT and ...]`, `best METRIC within 5 %, then METRIC"
            f" [where ...]` or `knee [where LIMIT and ...]`, got {shortened(text)!r}"
        )
    metric = parse_metric(match["metric"])
    if match["then"] is None:
        return Policy(metric, where)
    then, band = parse_metric(match["then"]), parse_quantity(match["band"], "share", "the band")
    if then == metric or not 0 < band < 1:
        raise ValueError(
            "expected `best METRIC within SHARE %, then ANOTHER_METRIC` with a share between 0 and"
            f" 100 %, got {shortened(text)!r}"
        )
    return Policy(metric, where, band, then)


def parse_baseline(text: str) -> Baseline:
    """Read `KIND [, AXIS: MEMBER ...]`, as in the brackets of `baseline(...)`.

    Raises:
        ValueError: with what there is to choose from.
    """
    given, *settings = (part.strip() for part in text.split(","))
    kind = next((kind for kind in BASELINES if kind == given), None)
    if kind is None:
        raise ValueError(
            f"no baseline {shortened(given)!r}{suggest(given, BASELINES)}; there are"
            f" {', '.join(BASELINES)}"
        )
    members: dict[str, str] = {}
    for setting in settings:
        axis, colon, member = (part.strip() for part in setting.partition(":"))
        if not colon or axis in members:
            what = "each axis once, as in `baseline(peft, quantization: nf4)`"
            raise ValueError(f"expected {what}, got {shortened(setting)!r}")
        members[axis] = _axis_member(axis, member)
    return Baseline(kind, tuple((axis, members[axis]) for axis in AXIS_MEMBERS if axis in members))


def _axis_member(axis: str, member: str) -> str:
    if axis not in AXIS_MEMBERS:
        raise ValueError(
            f"a baseline names no {shortened(axis)!r}{suggest(axis, list(AXIS_MEMBERS))}; it may"
            f" name {', '.join(AXIS_MEMBERS)}"
        )
    if member not in AXIS_MEMBERS[axis]:
        raise ValueError(
            f"no {axis} {shortened(member)!r}{suggest(member, AXIS_MEMBERS[axis])}; there are"
            f" {', '.join(AXIS_MEMBERS[axis])}"
        )
    return member


def _parse_bound(text: str, metric: str) -> Bound:
    relative = _BASELINE_BOUND.match(text)
    if relative is not None:
        name = str(parse_baseline(relative["inside"]))
        dimension = METRICS[metric].dimension
        if relative["unit"] == "%" and dimension != "share":
            what = (
                f"a limit beside a baseline is a difference in {metric}, never a share of the"
                " baseline"
            )
            raise ValueError(
                f"{what}: write `baseline({name}) {relative['sign']} {EXAMPLES[dimension]}` say,"
                f" got {shortened(text)!r}"
            )
        offset = _number(relative["offset"], metric) if relative["offset"] else 0.0
        return Bound(-offset if relative["sign"] == "-" else offset, name)
    if not _PLAIN_BOUND.match(text):
        what = "a number with an optional unit, or baseline(NAME) +/- a number"
        raise ValueError(f"expected {what}, got {shortened(text)!r}")
    return Bound(_number(text, metric))


def _shown(value: float) -> str:
    """Short where that reads back equal, else with every digit."""
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def _number(text: str, metric: str) -> float:
    return parse_quantity(text, METRICS[metric].dimension, metric)
