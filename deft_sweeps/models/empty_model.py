"""The modules of a checkpoint's model without its weights."""

from collections.abc import Mapping
from typing import Any

import torch
import transformers
from torch import nn
from transformers.initialization import no_init_weights

from deft_sweeps.models.families import family_of, layout
from deft_sweeps.models.weight_fit import load_options


def empty_model(config: Mapping[str, Any]) -> Any:
    """The model of a config.json on torch's meta device; nothing is read.

    Args:
        config: config.json, or what a loaded model's config says.

    Raises:
        ConfigError: the family is not known.
    """
    family = family_of(layout(config))
    settings = transformers.CONFIG_MAPPING[family.model_type].from_dict(dict(config))
    with no_init_weights(), torch.device("meta"):
        model = getattr(transformers, family.auto_class).from_config(
            settings, **load_options(config, family)
        )
    # T5's own says True whatever the checkpoint says.
    if "tie_word_embeddings" in config:
        model.config.tie_word_embeddings = config["tie_word_embeddings"]
    if config.get("add_pooling_layer") is False:
        model.config.add_pooling_layer = False
    return model


def fill_(model: Any, parameters: Mapping[str, nn.Parameter], buffers: Mapping[str, Any]) -> None:
    """Put parameters and buffers in the places of those of an empty model.

    Args:
        model: from `empty_model`, perhaps with other layers in place of some.
        parameters: by every name that they have; shared ones are one object under several names.
        buffers: by name.

    Raises:
        ValueError: a place stays empty, or something has no place.
    """
    given = {**parameters, **buffers}
    for parent_name, module in model.named_modules(remove_duplicate=False):
        prefix = f"{parent_name}." if parent_name else ""
        own = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
        for name, tensor in own:
            if f"{prefix}{name}" in given:
                setattr(module, name, given.pop(f"{prefix}{name}"))
            elif tensor.is_meta:
                raise ValueError(f"nothing fills {prefix}{name}")
    if given:
        raise ValueError(f"no place for {', '.join(sorted(given))}")
    # Which of them are tied was taken from the config, which knows less.
    tied = getattr(model, "all_tied_weights_keys", {})
    if tied:
        model.all_tied_weights_keys = {
            name: source
            for name, source in tied.items()
            if model.get_parameter(name) is model.get_parameter(source)
        }
