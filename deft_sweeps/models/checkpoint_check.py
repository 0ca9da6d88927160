"""What keeps a checkpoint's files from being used, found without loading them. Loads no torch."""

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from deft_sweeps.models.families import FAMILIES, family_of, layout
from deft_sweeps.models.safetensors_header import (
    INDEX,
    WHOLE_FILE,
    Shapes,
    has_weights,
    read_headers,
)
from deft_sweeps.models.weight_fit import weight_problems

ADAPTER_CONFIG = "adapter_config.json"
_PICKLED = (".bin", ".pt", ".pth", ".ckpt")

_UNPACKED = (
    "and a sweep quantizes by itself: take the checkpoint that it was made from, in float32,"
    " bfloat16 or float16"
)
_PACKED = re.compile(r"\.(?:absmax|quant_map|quant_state\..+|SCB|qweight|qzeros|g_idx)$")
"""Tensors beside packed weights, of bitsandbytes, GPTQ and AWQ."""

CONVERSION = (
    "convert them where you trust their source: load the model with transformers and call"
    " save_pretrained, which writes model.safetensors"
)


def adapter_sentence(folder: Path) -> str:
    """That a folder holds a PEFT adapter and no model; empty if it does not."""
    path = folder / ADAPTER_CONFIG
    if not path.is_file():
        return ""
    if (folder / "config.json").exists():
        return (
            f"{folder} holds a model and an adapter of PEFT ({ADAPTER_CONFIG}), which would be"
            " loaded on top of it: move one of the two elsewhere"
        )
    try:
        adapter = json.loads(path.read_text(encoding="utf-8"))
        base = adapter.get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError):
        base = None
    its_base = f"its base is {base}" if isinstance(base, str) and base else "it names no base"
    return (
        f"{folder} is an adapter of PEFT, not a model; {its_base}: name the base as the model, or"
        " merge the two (merge_and_unload) and save the whole model"
    )


def quantized_sentence(config: Mapping[str, Any]) -> str:
    """That the weights are saved quantized, and what to do; empty if they are not.

    A sweep prunes and quantizes by itself, and compares with the unquantized model.
    """
    settings = config.get("quantization_config")
    if not settings:
        return ""
    method = settings.get("quant_method") if isinstance(settings, dict) else None
    if isinstance(settings, dict) and (
        settings.get("load_in_4bit") or settings.get("load_in_8bit")
    ):
        bits = "4 bits" if settings.get("load_in_4bit") else "8 bits"
        how = f"in {bits} by bitsandbytes"
    else:
        how = f"quantized by {str(method).upper() if method else 'a method without a name'}"
    return f"its weights are saved {how} (quantization_config in config.json), {_UNPACKED}"


def weightless_sentence(where: str, files: Collection[str]) -> str:
    """Which weights there are in place of safetensors under the usual names; empty if there are
    those.

    Args:
        where: the folder, or the hub's name of the model.
        files: names of the files there.
    """
    if not {WHOLE_FILE, INDEX}.isdisjoint(files):
        return ""
    if pickled := sorted(filter(is_pickled, files)):
        return (
            f"{where} has no weights as *.safetensors (only pickled ones, which are not loaded:"
            f" {pickled[0]}); {CONVERSION}"
        )
    if others := sorted(name for name in files if name.endswith(".safetensors")):
        return (
            f"{where} has its weights in {others[0]}, and they are looked for in {WHOLE_FILE} or"
            f" {INDEX}; rename the file"
        )
    return (
        f"{where} has no weights as *.safetensors; expected {WHOLE_FILE} or {INDEX}, as"
        " transformers' save_pretrained writes them"
    )


def is_pickled(file: str) -> bool:
    """Whether a file of this name has pickled weights, which could run code."""
    return file.endswith(_PICKLED)


def file_names(folder: Path) -> list[str]:
    """Names of the files of a folder; a link that leads nowhere is none."""
    return [path.name for path in folder.iterdir() if path.is_file()]


def weight_file_problems(folder: Path, config: Mapping[str, Any] | None) -> list[str]:
    """What is wrong with the weight files of a folder.

    Args:
        folder: with config.json and weights.
        config: config.json; None if it cannot be used, which leaves the files' own damage.
    """
    if weightless := weightless_sentence(str(folder), file_names(folder)):
        return [weightless]
    headers = read_headers(folder)
    if headers.problems or config is None:
        return list(headers.problems)
    packed = next((name for name in headers.shapes if _PACKED.search(name)), None)
    if packed is not None:
        return [f"its weights are saved quantized ({packed} says how they are packed), {_UNPACKED}"]
    try:
        return [f"{folder}: {what}" for what in weight_problems(config, headers.shapes)]
    except OSError as error:
        return [f"{folder}: {error}"]


def lacks_pooler(config: Mapping[str, Any], shapes: Shapes) -> bool:
    """Whether the weights are without the pooler that the model of config.json has, as those of
    masked-LM training are.
    """
    family = FAMILIES.get(str(config.get("model_type")))
    pooler = None if family is None else family.optional_pooler
    return (
        pooler is not None
        and bool(shapes)
        and not any(f".{name}".endswith(f".{pooler}.weight") for name in shapes)
    )


def with_pooler_stated(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """config.json with `add_pooling_layer: false` where the folder's weights have no pooler; a head
    then brings a projection of its own.
    """
    if config.get("add_pooling_layer") is False or not has_weights(folder):
        return config
    without = lacks_pooler(config, read_headers(folder).shapes)
    return {**config, "add_pooling_layer": False} if without else config


def pooler_note(config: Mapping[str, Any]) -> str:
    """What is to be said of a model whose weights have no pooler; empty if there is nothing."""
    if config.get("add_pooling_layer") is not False:
        return ""
    if family_of(layout(config)).optional_pooler is None:
        return ""
    return (
        "its weights have no pooler, as after masked-LM training: the head trains a projection of"
        " its own in the pooler's place, from initial values that the trial's seed sets"
    )
