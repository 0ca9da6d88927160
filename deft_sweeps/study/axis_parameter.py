"""A sweep's space for people: one Optuna parameter for each setting of an axis that varies.

The search itself has one categorical parameter over the legal combinations. Here `peft`,
`quantization` or `density.weight` have distributions of their own, so that Optuna's importances and
plots name them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, assert_never

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.specification.domain import Categorical, Const, Domain, Float, Int, contains
from deft_sweeps.specification.sweep_spec import SweepSpec

AXES = ("activation", "peft", "density", "adaptive", "quantization", "pruning", "training")


@dataclass(frozen=True, slots=True)
class AxisParameter:
    """A setting that varies in the space.

    Attributes:
        name: shown, such as `density.weight`.
        axis: field of TrialConfig.
        member: kind of the axis' member that has the setting; None for the choice of the member.
        setting: field of the member; empty for the choice of the member.
        domain: its values.
    """

    name: str
    axis: str
    member: str | None
    setting: str
    domain: Domain

    @property
    def distribution(self) -> BaseDistribution:
        """The domain as Optuna's."""
        match self.domain:
            case Float(low, high, log):
                return FloatDistribution(low, high, log=log)
            case Int(low, high, log):
                return IntDistribution(low, high, log=log)
            case Categorical(values):
                return CategoricalDistribution([_shown(value) for value in values])
            case Const(value):
                return CategoricalDistribution([_shown(value)])
            case unknown:
                assert_never(unknown)

    def value(self, config: TrialConfig) -> Any:
        """The setting of a configuration.

        Raises:
            LookupError: the configuration has none, or none that varies.
        """
        part = getattr(config, self.axis)
        if self.member is None:
            value = _kind(part)
        elif _kind(part) == self.member:
            value = getattr(part, self.setting)
        else:
            raise LookupError(f"{self.axis} is not {self.member}")
        if not contains(self.domain, value):
            raise LookupError(f"{self.name} is fixed")
        return _shown(value)


def axis_parameters(spec: SweepSpec) -> tuple[AxisParameter, ...]:
    """Every setting that varies, in the order of the axes."""
    parameters: list[AxisParameter] = []
    for axis in AXES:
        kinds = tuple(dict.fromkeys(_kind(part) for part in _parts(spec, axis)))
        if len(kinds) > 1:
            parameters.append(AxisParameter(axis, axis, None, "", Categorical(kinds)))
        parameters += _settings(spec, axis)
    return tuple(parameters)


def parameters_of(
    parameters: Iterable[AxisParameter],
    config: TrialConfig,
) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    """A configuration's values by name, and their distributions."""
    values: dict[str, Any] = {}
    distributions: dict[str, BaseDistribution] = {}
    for parameter in parameters:
        try:
            values[parameter.name] = parameter.value(config)
        except LookupError:
            continue
        distributions[parameter.name] = parameter.distribution
    return values, distributions


def _settings(spec: SweepSpec, axis: str) -> list[AxisParameter]:
    """The settings of an axis' members that vary.

    A name leaves the member out, unless another member has the same setting with other values.
    """
    domains: dict[tuple[str, str], Domain] = {}
    for kind, names in _members(spec, axis).items():
        for name in names:
            domain = _domain(spec, axis, kind, name)
            if domain is not None:
                domains[kind, name] = domain
    parameters = []
    for (kind, name), domain in domains.items():
        same = [other for (_, setting), other in domains.items() if setting == name]
        is_shared = all(other == domain for other in same)
        shown = f"{axis}.{name}" if is_shared or kind == axis else f"{axis}.{kind}.{name}"
        parameters.append(AxisParameter(shown, axis, kind, name, domain))
    return parameters


def _domain(spec: SweepSpec, axis: str, kind: str, setting: str) -> Domain | None:
    """The values of a member's setting; None if there is but one."""
    fixed: dict[Any, None] = {}
    for combination in spec.combinations:
        part = getattr(combination.template, axis)
        if _kind(part) != kind:
            continue
        for name, domain in combination.open.items():
            parts = name.split(".")
            if (parts[0], parts[-1]) == (axis, setting):
                return domain
        fixed.setdefault(getattr(part, setting))
    return Categorical(tuple(fixed)) if len(fixed) > 1 else None


def _members(spec: SweepSpec, axis: str) -> Mapping[str, tuple[str, ...]]:
    """Names of the settings of each member of an axis, by its kind."""
    parts = [part for part in _parts(spec, axis) if is_dataclass(part)]
    return {_kind(part): tuple(f.name for f in fields(part) if f.name != "kind") for part in parts}


def _parts(spec: SweepSpec, axis: str) -> list[Any]:
    return [getattr(combination.template, axis) for combination in spec.combinations]


def _kind(part: Any) -> str:
    """Name of an axis' member; an axis with one form, like training, has the axis' own."""
    if isinstance(part, str):
        return part
    return str(getattr(part, "kind", type(part).__name__.lower()))


def _shown(value: Any) -> Any:
    """A choice as Optuna takes it: it keeps no tuples."""
    return ", ".join(map(str, value)) if isinstance(value, tuple) else value
