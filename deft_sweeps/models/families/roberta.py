"""RoBERTa: BERT's modules, without its segments and its pooler. Loads no torch."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from deft_sweeps.config.layout import Layout
from deft_sweeps.models.answering import HeadAnswering
from deft_sweeps.models.config_field import whole
from deft_sweeps.models.families.bert import encoder_layout, published_sizes
from deft_sweeps.models.family import Family


def _layout(config: Mapping[str, Any]) -> Layout:
    # Positions count on from the padding token's id.
    first_position = 1 + whole(config, "pad_token_id", least=0, default=1)
    shape = encoder_layout(config, "roberta")
    n_positions = whole(config, "max_position_embeddings") - first_position
    return replace(shape, first_position=first_position, n_positions=n_positions)


FAMILY = Family(
    model_type="roberta",
    title="RoBERTa",
    published={
        f"{owner}roberta-{size}": published_sizes(
            "roberta",
            size,
            vocab_size=50265,
            n_positions=514,
            n_segments=1,
        )
        for owner in ("FacebookAI/", "")
        for size in ("base", "large")
    },
    layout=_layout,
    auto_class="AutoModel",
    # The pooler was never trained: the head has a projection of its own.
    load_options={"add_pooling_layer": False},
    model_inputs=("input_ids", "attention_mask"),
    vocabulary_files=(("tokenizer.json",), ("vocab.json", "merges.txt")),
    unknown_token="<unk>",  # noqa: S106 (no secret)
    token_embedding="embeddings.word_embeddings",  # noqa: S106 (no secret)
    optional_pooler=None,
    answering=HeadAnswering(
        activation="tanh", projection="classifier.dense", output="classifier.out_proj"
    ),
    activation_settings=lambda function, _: {"hidden_act": function},
    linear_task=None,
    prompt_task="FEATURE_EXTRACTION",
    prefix_stack="encoder",
    int8_excluded=(),
    norm_in_float32=False,
    ct2_loader=None,
    # Taken from BERT; not measured for RoBERTa.
    evaluate_runtime_bytes=20 * 2**20,
)
