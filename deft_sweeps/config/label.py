"""A configuration in words: short for tables, whole for a tooltip."""

from dataclasses import fields, is_dataclass

from deft_sweeps.config.trial import TrialConfig


def label(config: TrialConfig) -> str:
    """The settings that are swept, in a few words: `LoRA r8 · relu · DEFT 0.5 · NF4 · lr 0.002`."""
    parts = [member.label for member in config.members if member.label]
    return " · ".join([*parts, f"lr {config.training.learning_rate:.3g}"])


def settings(config: TrialConfig) -> dict[str, str]:
    """Every setting by its dotted name, defaults too: `density.weight`, `training.steps`."""
    return dict(_flat("", config))


def _flat(prefix: str, value: object) -> list[tuple[str, str]]:
    if is_dataclass(value):
        dotted = f"{prefix}." if prefix else ""
        return [
            row for f in fields(value) for row in _flat(dotted + f.name, getattr(value, f.name))
        ]
    if isinstance(value, tuple):
        return [(prefix, ", ".join(str(part) for part in value))]
    return [(prefix, f"{value:.6g}" if isinstance(value, float) else str(value))]
