"""SpaceMember: one member of an axis with the settings that a sweep gives it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.specification.domain import Const, Domain, middle
from deft_sweeps.specification.yaml_schema import members


@dataclass(frozen=True)
class SpaceMember:
    """One member of an axis, as a sweep's space has it.

    Attributes:
        label: unique on the axis: the member's kind, or `lora-2` for the second of that kind;
            empty for an axis that is a single dataclass (training).
        value: of TrialConfig's field, with every open setting at the middle of its domain.
        settings: each setting given in the YAML, open or not.
    """

    axis: str
    label: str
    value: Any
    settings: Mapping[str, Domain]

    @property
    def of(self) -> type[Any] | None:
        """The member's dataclass; None for a name without settings."""
        return None if isinstance(self.value, str) else type(self.value)

    @property
    def open(self) -> dict[str, Domain]:
        """The settings that the search varies, by the name of their parameter."""
        return {
            self.parameter(name): domain
            for name, domain in self.settings.items()
            if not isinstance(domain, Const)
        }

    def parameter(self, setting: str) -> str:
        """The setting's name in the search: `density.loss.weight`."""
        return ".".join(part for part in (self.axis, self.label, setting) if part)


def default_member(axis: str) -> SpaceMember:
    """The member of an axis that a sweep does not mention."""
    value = getattr(TrialConfig(), axis)
    label = value if isinstance(value, str) else value.kind if members(axis) else ""
    return SpaceMember(axis, label, value, {})


def member_of(axis: str, label: str, of: type[Any], settings: Mapping[str, Domain]) -> SpaceMember:
    """The member with these settings, which `of` accepts."""
    middles = {name: middle(domain) for name, domain in settings.items()}
    return SpaceMember(axis, label, of(**middles), settings)
