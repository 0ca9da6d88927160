"""Fields of a config.json, read with a sentence for each that is no number or no text. Loads no
torch.
"""

from collections.abc import Mapping
from typing import Any

from deft_sweeps.errors import CheckpointError

MOST_LAYERS = 10_000
"""Blocks of a stack; published models have some hundred at most."""


def whole(
    config: Mapping[str, Any],
    name: str,
    *,
    least: int = 1,
    most: int = 2**31,
    default: int | None = None,
) -> int:
    """A field that holds a whole number.

    Args:
        config: config.json.
        name: of the field.
        least: smallest number that makes sense.
        most: largest one.
        default: of a field that is missing or null; None requires it.

    Raises:
        KeyError: a required field is missing.
        CheckpointError: it holds something else.
    """
    value: Any = config[name] if default is None else config.get(name)
    if value is None and default is not None:
        return default
    # True is a whole number to Python; 512.0 is what some tools write for 512.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or value % 1 != 0 or not least <= value <= most:
        raise CheckpointError(
            f"the model's config.json says {name} {_shown(value)}; expected a whole number from"
            f" {least} to {most}"
        )
    return int(value)


def n_layers(config: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """A field that holds a number of blocks; see `whole`."""
    return whole(config, name, most=MOST_LAYERS, default=default)


def word(config: Mapping[str, Any], name: str, default: str) -> str:
    """A field that holds a name; `default` if it is missing, null or empty.

    Raises:
        CheckpointError: it holds something else.
    """
    value = config.get(name) or default
    if not isinstance(value, str):
        raise CheckpointError(
            f"the model's config.json says {name} {_shown(value)}; expected a name such as"
            f" {default!r}"
        )
    return value


def flag(config: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """A field that holds true or false; `default` if it is missing or null.

    Raises:
        CheckpointError: it holds something else.
    """
    value = config.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise CheckpointError(
            f"the model's config.json says {name} {_shown(value)}; expected true or false"
        )
    return value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
