"""Whether a checkpoint's weights fill the model of its config.json. Only `try_weights` loads torch,
in a process of its own.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from deft_sweeps.atomic_build import build_file
from deft_sweeps.cache import cache_folder
from deft_sweeps.models.families import family_of, layout
from deft_sweeps.models.family import Family
from deft_sweeps.models.probe_process import ProbeError, answer_of
from deft_sweeps.models.quiet_loading import quiet_loading
from deft_sweeps.models.safetensors_header import Shapes

_TIMEOUT_SEC = 300
_MOST_NAMED = 5


def load_options(config: Mapping[str, Any], family: Family) -> dict[str, Any]:
    """Arguments of transformers' `from_pretrained` for a checkpoint, besides its name."""
    without_pooler = config.get("add_pooling_layer") is False and family.optional_pooler is not None
    return {**family.load_options, **({"add_pooling_layer": False} if without_pooler else {})}


def unfilled(loaded: Any, loading_info: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """What the weights left out of a model that transformers has loaded.

    Args:
        loaded: the model.
        loading_info: that transformers gave with it.
        config: config.json.
    """
    problems = []
    if missing := sorted(loading_info["missing_keys"]):
        problems.append(
            f"the weights do not fill the model of its config.json; without: {_some(missing)}"
        )
    if mismatched := sorted(loading_info["mismatched_keys"]):
        shown = [f"{name} {list(got)} (expected {list(due)})" for name, got, due in mismatched]
        problems.append(
            f"the weights have other shapes than the model of its config.json: {_some(shown)}"
        )
    says_untied = config.get("tie_word_embeddings") is False
    writes = family_of(layout(config)).text is not None
    if writes and says_untied and not has_own_output(loaded):
        problems.append(
            "config.json says that its output projection is a matrix of its own, and its weights"
            " have none"
        )
    return problems


def has_own_output(loaded: Any) -> bool:
    """Whether the output projection of a model that writes is another matrix than its embedding."""
    return loaded.get_output_embeddings().weight is not loaded.get_input_embeddings().weight


def weight_problems(config: Mapping[str, Any], shapes: Shapes) -> list[str]:
    """What `try_weights` says, asked once for the same config and shapes.

    Where torch is not loaded yet, a process of its own loads it.
    """
    given = json.dumps({"config": config, "shapes": shapes}, sort_keys=True)
    if "torch" in sys.modules:
        return try_weights(config, shapes)
    named = sha256(f"{version('transformers')} {given}".encode()).hexdigest()[:24]

    def build(file: Path) -> None:
        file.write_text(json.dumps(_asked(given)), encoding="utf-8")

    path = build_file(cache_folder() / "weight_fit" / f"{named}.json", build)
    problems: list[str] = json.loads(path.read_text(encoding="utf-8"))
    return problems


def try_weights(config: Mapping[str, Any], shapes: Shapes) -> list[str]:
    """What keeps tensors of these shapes from filling the model, as transformers itself sees it:
    the model is loaded without any memory, on torch's meta device.
    """
    import torch
    import transformers

    family = family_of(layout(config))
    options = load_options(config, family)
    try:
        with quiet_loading():
            settings = transformers.CONFIG_MAPPING[family.model_type].from_dict(dict(config))
            tensors = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
            with torch.device("meta"):
                empty = getattr(transformers, family.auto_class).from_config(settings, **options)
            loaded, loading_info = type(empty).from_pretrained(
                None,
                config=settings,
                state_dict=tensors,
                device_map={"": "meta"},
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                **options,
            )
    except Exception as error:  # what a config.json can cause is the library's to raise
        reason = " ".join(str(error).split())[:300]
        return [f"transformers cannot build the model of its config.json: {reason}"]
    return unfilled(loaded, loading_info, config)


def main() -> None:
    """Answer `weight_problems` from a process of its own: JSON in, one line of JSON out."""
    print(json.dumps(try_weights(**json.load(sys.stdin))))


def _asked(given: str) -> list[str]:
    try:
        problems: list[str] = answer_of("deft_sweeps.models.weight_fit", given, _TIMEOUT_SEC)
    except ProbeError as error:
        raise OSError(f"trying the weights failed: {error}") from None
    return problems


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


if __name__ == "__main__":
    main()
