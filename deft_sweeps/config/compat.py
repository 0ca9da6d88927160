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


def length_problem(config: TrialConfig, layout: Layout) -> str:
    """Why the model cannot read the task's longest inputs; empty if it can.

    Virtual tokens stand at the first token's position, so they take none.
    """
    n_tokens = config.task.max_input_tokens
    if layout.n_positions is None or n_tokens <= layout.n_positions:
        return ""
    return (
        f"max_input_tokens {n_tokens} is more than the {layout.n_positions} positions that this"
        f" {layout.title} model has; at most {layout.n_positions} fits"
    )
