"""What forbids a configuration: its members' conflicts with each other, and the model's shape."""

from deft_sweeps.config.layout import Layout
from deft_sweeps.config.trial import TrialConfig


def illegal(config: TrialConfig) -> str | None:
    """Why `config` cannot run on any model, every reason that holds; None if it can."""
    reasons = [reason for member in config.members for reason in member.conflicts(config)]
    return "; ".join(reasons) if reasons else None


def shape_problems(config: TrialConfig, layout: Layout) -> list[str]:
    """Why `config` cannot run on a model of this shape; empty if it can."""
    return [what for member in config.members for what in member.shape_problems(config, layout)]
