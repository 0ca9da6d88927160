"""The licence of a pretrained model, where its own files state one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from deft_sweeps.models.checkpoints import folder_of
from deft_sweeps.packaged.checkpoint_conversion import is_packaged, packaged_license

_CARD, _FENCE = "README.md", "---"
_LONGEST_CARD = 1 << 20


def checkpoint_license(name: str, config: Mapping[str, Any]) -> tuple[str, str]:
    """The licence and its source; two empty texts if neither config nor model card states one.

    A hub model's card is not downloaded for it.

    Args:
        name: of the checkpoint: hub id, folder, or `packaged/...`.
        config: of the checkpoint, as its config.json says.
    """
    if is_packaged(name):
        return packaged_license(name)
    stated = config.get("license")
    if isinstance(stated, str) and stated:
        return stated, "config.json"
    folder = folder_of(name)
    stated = _card_metadata(folder / _CARD).get("license") if folder else None
    return (stated, _CARD) if isinstance(stated, str) and stated else ("", "")


def _card_metadata(path: Path) -> Mapping[str, Any]:
    """The YAML between the first two fences of a model card; empty if it has none."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_LONGEST_CARD)
        metadata, fence, _ = text.removeprefix(_FENCE).partition(f"\n{_FENCE}")
        has_metadata = text.startswith(_FENCE) and fence
        made = YAML(typ="safe", pure=True).load(metadata) if has_metadata else None
    except (OSError, ValueError, YAMLError):
        return {}
    return made if isinstance(made, dict) else {}
