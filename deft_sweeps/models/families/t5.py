"""T5, T5 v1.1 and Flan-T5: an encoder and a decoder that writes the answer. Loads no torch."""

from collections.abc import Mapping
from typing import Any, Literal

from deft_sweeps.config.layout import Block, Layout, Linear, Stack
from deft_sweeps.models.answering import EncoderDecoderAnswering
from deft_sweeps.models.config_field import flag, n_layers, whole, word
from deft_sweeps.models.family import Family


def _layout(config: Mapping[str, Any]) -> Layout:
    d_model, d_ff = whole(config, "d_model"), whole(config, "d_ff")
    vocab_size, n_heads = whole(config, "vocab_size"), whole(config, "num_heads")
    n_encoder = n_layers(config, "num_layers")
    # Missing and null both mean as many as the encoder has.
    n_decoder = n_layers(config, "num_decoder_layers", n_encoder)
    projection = word(config, "feed_forward_proj", "relu")
    gated = projection.startswith("gated-")
    d_attention = n_heads * whole(config, "d_kv")

    def stack(name: Stack, n_blocks: int) -> tuple[Block, ...]:
        places = range(n_blocks)
        return tuple(_block(name, i, d_model, d_ff, d_attention, gated=gated) for i in places)

    n_norms = 2 * n_encoder + 3 * n_decoder + 2
    n_buckets = whole(config, "relative_attention_num_buckets", default=32)
    tied = flag(config, "tie_word_embeddings", default=True)
    return Layout(
        family="t5",
        d_model=d_model,
        d_ff=d_ff,
        vocab_size=vocab_size,
        gated=gated,
        activation="gelu_new" if projection == "gated-gelu" else projection.removeprefix("gated-"),
        blocks=stack("encoder", n_encoder) + stack("decoder", n_decoder),
        embedding_parameters=vocab_size * d_model * (1 if tied else 2),
        other_parameters=n_norms * d_model + 2 * n_buckets * n_heads,
        n_heads=n_heads,
    )


def _block(
    stack: Stack,
    index: int,
    d_model: int,
    d_ff: int,
    d_attention: int,
    *,
    gated: bool,
) -> Block:
    name = f"{stack}.block.{index}"
    linears = _attention(f"{name}.layer.0.SelfAttention", d_model, d_attention)
    if stack == "decoder":
        cross = f"{name}.layer.1.EncDecAttention"
        linears += _attention(cross, d_model, d_attention, source="cross")
    residual = f"{name}.layer.{1 if stack == 'encoder' else 2}"
    mlp = f"{residual}.DenseReluDense"
    linears.append(Linear(f"{mlp}.wi_0" if gated else f"{mlp}.wi", "gate", d_model, d_ff))
    if gated:
        linears.append(Linear(f"{mlp}.wi_1", "up", d_model, d_ff))
    linears.append(Linear(f"{mlp}.wo", "down", d_ff, d_model))
    return Block(stack, index, name, mlp, f"{mlp}.act", tuple(linears), residual=residual)


def _attention(
    name: str,
    d_model: int,
    d_attention: int,
    source: Literal["self", "cross"] = "self",
) -> list[Linear]:
    return [
        Linear(f"{name}.q", "q", d_model, d_attention),
        Linear(f"{name}.k", "k", d_model, d_attention, source),
        Linear(f"{name}.v", "v", d_model, d_attention, source),
        Linear(f"{name}.o", "o", d_attention, d_model),
    ]


def _activation_settings(function: str, shape: Layout) -> dict[str, Any]:
    name = "gelu" if function == "gelu_new" and shape.gated else function
    return {
        "feed_forward_proj": f"gated-{name}" if shape.gated else name,
        # What feed_forward_proj says is read when a config is made, not when one is changed.
        "dense_act_fn": function,
        "is_gated_act": shape.gated,
    }


def _sizes(d_model: int, d_ff: int, d_kv: int, num_heads: int, num_layers: int) -> dict[str, Any]:
    return {
        "model_type": "t5",
        "d_model": d_model,
        "d_ff": d_ff,
        "d_kv": d_kv,
        "num_heads": num_heads,
        "num_layers": num_layers,
        "num_decoder_layers": num_layers,
        "vocab_size": 32128,
        "relative_attention_num_buckets": 32,
    }


def _published(
    lines: tuple[str, ...],
    by_size: dict[str, dict[str, Any]],
    version: dict[str, Any],
) -> dict[str, dict[str, Any]]:
    return {f"{line}-{size}": sizes | version for line in lines for size, sizes in by_size.items()}


_ORIGINAL = {"tie_word_embeddings": True, "feed_forward_proj": "relu"}
_ORIGINAL_SIZES = {
    "small": _sizes(512, 2048, 64, 8, 6),
    "base": _sizes(768, 3072, 64, 12, 12),
    "large": _sizes(1024, 4096, 64, 16, 24),
    "3b": _sizes(1024, 16384, 128, 32, 24),
    "11b": _sizes(1024, 65536, 128, 128, 24),
}

_V1_1 = {"tie_word_embeddings": False, "feed_forward_proj": "gated-gelu"}
_V1_1_SIZES = {
    "small": _sizes(512, 1024, 64, 6, 8),
    "base": _sizes(768, 2048, 64, 12, 12),
    "large": _sizes(1024, 2816, 64, 16, 24),
    "xl": _sizes(2048, 5120, 64, 32, 24),
    "xxl": _sizes(4096, 10240, 64, 64, 24),
}

FAMILY = Family(
    model_type="t5",
    title="T5, T5 v1.1 and Flan-T5",
    published={
        **_published(("google/flan-t5", "google/t5-v1_1"), _V1_1_SIZES, _V1_1),
        **_published(("google-t5/t5", "t5"), _ORIGINAL_SIZES, _ORIGINAL),
    },
    layout=_layout,
    auto_class="AutoModelForSeq2SeqLM",
    load_options={},
    model_inputs=("input_ids", "attention_mask"),
    vocabulary_files=(("tokenizer.json",), ("spiece.model",)),
    unknown_token="<unk>",  # noqa: S106 (no secret)
    token_embedding="shared",  # noqa: S106 (no secret)
    optional_pooler=None,
    answering=EncoderDecoderAnswering(),
    activation_settings=_activation_settings,
    linear_task="SEQ_2_SEQ_LM",
    prompt_task="SEQ_2_SEQ_LM",
    prefix_stack="decoder",
    # The input of the projection back to d_model reaches 66,246 in Flan-T5-XXL, beyond float16.
    int8_excluded=("down",),
    norm_in_float32=True,
    ct2_loader="T5Loader",
    evaluate_runtime_bytes=47 * 2**20,
)
