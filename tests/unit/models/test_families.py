from collections import Counter
from typing import Any

import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5ForConditionalGeneration,
)

from deft_sweeps.errors import CheckpointError
from deft_sweeps.models.families import PUBLISHED_CONFIGS, layout
from tests.tiny import batch, layout_of, tiny_encoder, tiny_t5


def on_meta(config: dict[str, Any]) -> Any:
    with torch.device("meta"):
        return T5ForConditionalGeneration(T5Config(**config))


def n_parameters(model: Any, tied: bool) -> int:
    """Counted over the real modules; transformers ties every T5 that it builds from a config,
    whatever the config says.
    """
    shared = {id(p): p.numel() for p in model.parameters()}
    head = (
        0
        if tied or model.lm_head.weight is not model.shared.weight
        else model.lm_head.weight.numel()
    )
    return int(sum(shared.values()) + head)


SHAPES = [f"google/flan-t5-{size}" for size in ("small", "base", "large", "xl", "xxl")]
SHAPES += ["google/t5-v1_1-large", "t5-small", "t5-base", "google-t5/t5-11b"]


@pytest.mark.parametrize("name", SHAPES)
def test_the_layout_is_that_of_the_real_model(name: str) -> None:
    config = PUBLISHED_CONFIGS[name]
    shape, model = layout(config), on_meta(config)
    modules = dict(model.named_modules())
    assert shape.n_parameters == n_parameters(model, config["tie_word_embeddings"])
    for linear in shape.linears:
        module = modules[linear.name]
        assert (module.in_features, module.out_features, module.bias) == (
            linear.in_features,
            linear.out_features,
            None,
        )
    inside = {n for n, m in modules.items() if isinstance(m, torch.nn.Linear) and n != "lm_head"}
    assert {linear.name for linear in shape.linears} == inside
    assert len(inside) == len(shape.linears)
    for block in shape.blocks:
        assert type(modules[block.name]).__name__ == "T5Block"
        assert modules[block.mlp].act is modules[block.activation]
    gate = type(modules[shape.blocks[0].activation]).__name__
    assert (shape.gated, shape.activation, gate) == (
        (True, "gelu_new", "NewGELUActivation") if "google/" in name else (False, "relu", "ReLU")
    )


ENCODERS = [
    "bert-base-uncased",
    "google-bert/bert-large-uncased",
    "FacebookAI/roberta-base",
    "roberta-large",
]


def encoder_on_meta(config: dict[str, Any]) -> Any:
    with torch.device("meta"):
        if config["model_type"] == "bert":
            return BertModel(BertConfig(**config))
        return RobertaModel(RobertaConfig(**config), add_pooling_layer=False)


@pytest.mark.parametrize("hidden_act", ["gelu", "relu"])
@pytest.mark.parametrize("name", ENCODERS)
def test_the_layout_is_that_of_the_real_encoder(name: str, hidden_act: str) -> None:
    config = PUBLISHED_CONFIGS[name] | {"hidden_act": hidden_act}
    shape, model = layout(config), encoder_on_meta(config)
    modules = dict(model.named_modules())
    assert shape.n_parameters == sum(p.numel() for p in model.parameters())
    for linear in shape.linears:
        module = modules[linear.name]
        assert (module.in_features, module.out_features, module.bias is not None) == (
            linear.in_features,
            linear.out_features,
            linear.bias,
        )
    inside = {
        n
        for n, m in modules.items()
        if isinstance(m, torch.nn.Linear) and not n.startswith("pooler")
    }
    assert {linear.name for linear in shape.linears} == inside
    assert len(inside) == len(shape.linears)
    assert (shape.gated, shape.activation, shape.stacks) == (False, hidden_act, ("encoder",))
    gates = [type(modules[block.activation]).__name__ for block in shape.blocks]
    assert set(gates) == {"GELUActivation" if hidden_act == "gelu" else "ReLU"}
    assert len(gates) == config["num_hidden_layers"] == len({block.name for block in shape.blocks})


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_what_each_path_of_an_encoder_carries(family: str) -> None:
    """The MLP's output is what is added to the residual, before the norm; the gate is d_ff wide."""
    model: Any = tiny_encoder(family)
    shape = layout_of(model)
    modules = dict(model.named_modules())
    seen: dict[str, Any] = {}
    for name, module in modules.items():
        module.register_forward_hook(
            lambda _, args, out, name=name: seen.__setitem__(name, (args[0] if args else None, out))
        )
    inputs = batch()
    with torch.no_grad():
        model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
    for block in shape.blocks:
        linears = {linear.role: seen[linear.name] for linear in block.linears}
        assert list(linears) == ["q", "k", "v", "o", "gate", "down"]
        residual, out = linears["gate"][0], seen[block.name][1]
        norm = modules[block.mlp.removesuffix("dense") + "LayerNorm"]
        torch.testing.assert_close(
            norm(residual + seen[block.mlp][1]),
            out[0] if isinstance(out, tuple) else out,
            rtol=0,
            atol=0,
        )
        torch.testing.assert_close(linears["gate"][1], seen[block.activation][0], rtol=0, atol=0)
        torch.testing.assert_close(linears["down"][0], seen[block.activation][1], rtol=0, atol=0)
        assert seen[block.activation][1].shape[-1] == shape.d_ff
        assert linears["q"][0] is linears["k"][0] is linears["v"][0]


def test_published_parameter_counts() -> None:
    published = {
        "google/flan-t5-small": 76_961_152,
        "google/flan-t5-base": 247_577_856,
        "google/flan-t5-large": 783_150_080,
        "google/flan-t5-xl": 2_849_757_184,
        "google/flan-t5-xxl": 11_135_332_352,
        "t5-small": 60_506_624,
        "t5-base": 222_903_552,
        "t5-large": 737_668_096,
        "google-t5/t5-3b": 2_851_598_336,
        "google-t5/t5-11b": 11_307_321_344,
        "bert-base-uncased": 109_482_240,
        "bert-large-uncased": 335_141_888,
        "roberta-base": 124_055_040,
        "distilbert-base-uncased": 66_362_880,
        "distilbert-base-cased": 65_190_912,
        "roberta-large": 354_310_144,
    }
    assert {name: layout(PUBLISHED_CONFIGS[name]).n_parameters for name in published} == published


@pytest.mark.parametrize("gated", [True, False])
def test_what_each_path_carries(gated: bool) -> None:
    """The MLP's output is what is added to the residual; cross-attention's keys and values read the
    encoder; the gate is d_ff wide.
    """
    model: Any = tiny_t5(gated)
    shape = layout_of(model)
    modules = dict(model.named_modules())
    seen: dict[str, Any] = {}
    for name, module in modules.items():
        module.register_forward_hook(
            lambda _, args, out, name=name: seen.__setitem__(name, (args[0] if args else None, out))
        )
    inputs = batch()
    with torch.no_grad():
        encoded = model(**inputs).encoder_last_hidden_state
    for block in shape.blocks:
        before, after = seen[block.mlp.rsplit(".", 1)[0]]
        torch.testing.assert_close(before + seen[block.mlp][1], after, rtol=0, atol=0)
        assert seen[block.activation][1].shape[-1] == shape.d_ff
        for linear in block.linears:
            n_tokens = seen[linear.name][0].shape[1]
            assert (
                n_tokens
                == inputs[
                    "input_ids"
                    if block.stack == "encoder" or linear.source == "cross"
                    else "labels"
                ].shape[1]
            )
            if linear.source == "cross":
                torch.testing.assert_close(seen[linear.name][0], encoded, rtol=0, atol=0)
            if linear.role == "gate":
                torch.testing.assert_close(
                    seen[linear.name][1], seen[block.activation][0], rtol=0, atol=0
                )
            if linear.role == "down":
                torch.testing.assert_close(seen[linear.name][1], seen[block.mlp][1], rtol=0, atol=0)
    mlp_roles = {"gate": 5, "up": 5, "down": 5} if gated else {"gate": 5, "down": 5}
    assert (
        Counter(linear.role for linear in shape.linears)
        == {"q": 8, "k": 8, "v": 8, "o": 8} | mlp_roles
    )
    assert [(b.stack, b.index) for b in shape.blocks] == [
        ("encoder", 0),
        ("encoder", 1),
        ("decoder", 0),
        ("decoder", 1),
        ("decoder", 2),
    ]


def test_an_unknown_family_names_those_known() -> None:
    with pytest.raises(
        CheckpointError,
        match=r"'llama' are not supported; supported: t5 \(T5, T5 v1.1 and Flan-T5\)",
    ):
        layout({"model_type": "llama"})
    with pytest.raises(CheckpointError, match="None"):
        layout({})


def test_a_config_without_a_size_is_refused() -> None:
    config = {key: value for key, value in PUBLISHED_CONFIGS["t5-small"].items() if key != "d_ff"}
    with pytest.raises(CheckpointError, match="has no 'd_ff'"):
        layout(config)
