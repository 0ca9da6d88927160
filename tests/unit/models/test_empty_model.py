"""A model without weights has the loaded one's modules, and is filled whole or not at all."""

from typing import Any

import pytest
import torch
from torch import nn

from deft_sweeps.models.checkpoints import load_model
from deft_sweeps.models.empty_model import empty_model, fill_
from tests.tiny import HEAD_FAMILIES, tiny_encoder, tiny_t5


def made(family: str) -> Any:
    return tiny_t5() if family == "t5" else tiny_encoder(family)


@pytest.mark.parametrize("family", ["t5", *HEAD_FAMILIES])
def test_it_is_the_same_tree_without_memory(family: str) -> None:
    model = made(family)
    config = model.config.to_dict()
    if family == "roberta":
        config["add_pooling_layer"] = False
    empty = empty_model(config)
    assert [(n, type(m)) for n, m in empty.named_modules()] == [
        (n, type(m)) for n, m in model.named_modules()
    ]
    tensors = [*empty.parameters(), *empty.buffers()]
    assert tensors
    assert all(tensor.is_meta for tensor in tensors)


def test_a_model_with_an_output_of_its_own_is_not_tied(packaged_model: str) -> None:
    loaded: Any = load_model(packaged_model, "fp32")
    empty = empty_model(loaded.config.to_dict())
    fill_(empty, dict(loaded.named_parameters(remove_duplicate=False)), {})
    assert empty.get_output_embeddings().weight is loaded.get_output_embeddings().weight
    assert empty.config.tie_word_embeddings is False
    assert empty.all_tied_weights_keys == loaded.all_tied_weights_keys


def test_what_is_missing_or_has_no_place_is_an_error() -> None:
    model = made("t5")
    parameters = {
        name: nn.Parameter(p.data) for name, p in model.named_parameters(remove_duplicate=False)
    }
    lacking = dict(parameters)
    del lacking["encoder.final_layer_norm.weight"]
    with pytest.raises(ValueError, match=r"nothing fills encoder.final_layer_norm.weight"):
        fill_(empty_model(model.config.to_dict()), lacking, {})
    with pytest.raises(ValueError, match=r"no place for a\.b"):
        fill_(empty_model(model.config.to_dict()), parameters, {"a.b": torch.zeros(1)})
