"""What is exported to ONNX: modules over a trained model whose inputs and outputs are named
tensors.

Text from an encoder and a decoder is one of two exports. Classes are scored by one graph, which
holds the tokens of their texts. Whatever else is written takes two: the encoder, which also gives
every decoder block's cross-attention keys and values once for the whole text, and one step of the
decoder over keys and values that grow by a token a step.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import DynamicCache, EncoderDecoderCache

from deft_sweeps.config.layout import Layout
from deft_sweeps.models.answering import first_tokens_differ


class HeadProgram(nn.Module):
    """Token ids to a head's logits."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        """`logits`: (batch, outputs), or (batch, tokens, 2) of a span."""
        return {"logits": self.model(**inputs).logits}


class _TextProgram(nn.Module):
    """What the programs of an encoder and a decoder share.

    Args:
        model: of the trial, virtual tokens included.
        layout: of it.
    """

    prompt: Tensor

    def __init__(self, model: nn.Module, layout: Layout) -> None:
        super().__init__()
        wrapped: Any = model
        settings = getattr(wrapped, "active_peft_config", None)
        # Only virtual tokens still have peft's wrapper after a merge.
        self.model: Any = model if settings is None else wrapped.get_base_model()
        self.layout = layout
        self.n_blocks = sum(block.stack == "decoder" for block in layout.blocks)
        self.has_prompt = False
        self.has_prefix = False
        if settings is not None:
            self._take_virtual_tokens(wrapped.get_prompt(1))

    def _take_virtual_tokens(self, prompt: Any) -> None:
        if isinstance(prompt, Tensor):
            self.has_prompt = True
            self.register_buffer("prompt", prompt.detach().clone())
            return
        self.has_prefix = True
        for i, layer in enumerate(prompt.self_attention_cache.layers):
            self.register_buffer(f"prefix_{i}_key", layer.keys.detach().clone())
            self.register_buffer(f"prefix_{i}_value", layer.values.detach().clone())

    def encode(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """The encoder's output (batch, tokens, d_model), prompt included, and its mask."""
        if not self.has_prompt:
            encoded = self.model.encoder(input_ids=input_ids, attention_mask=attention_mask)
            return encoded.last_hidden_state, attention_mask.clone()
        n_virtual = self.prompt.shape[1]
        embedded = self.model.get_input_embeddings()(input_ids)
        before = self.prompt.expand(input_ids.shape[0], -1, -1)
        mask = functional.pad(attention_mask, (n_virtual, 0), value=1)
        encoded = self.model.encoder(
            inputs_embeds=torch.cat([before, embedded], dim=1), attention_mask=mask
        )
        return encoded.last_hidden_state, mask

    def prefix(self, n: int) -> dict[str, Tensor]:
        """Keys and values that each decoder block's self-attention begins with, for a batch of `n`;
        nothing without prefix tuning.
        """
        if not self.has_prefix:
            return {}
        return {
            f"self.{i}.{part}": getattr(self, f"prefix_{i}_{part}").expand(n, -1, -1, -1)
            for i in range(self.n_blocks)
            for part in ("key", "value")
        }


class ClassProgram(_TextProgram):
    """Token ids to the log-probability of each class's text.

    Args:
        model: of the trial.
        layout: of it.
        class_ids: token ids of each class's text.
    """

    decoder_ids: Tensor
    labels: Tensor
    counts: Tensor

    def __init__(
        self, model: nn.Module, layout: Layout, class_ids: Sequence[Sequence[int]]
    ) -> None:
        super().__init__(model, layout)
        self.by_first_token = first_tokens_differ(class_ids)
        n_classes = 1 if self.by_first_token else len(class_ids)
        longest = 1 if self.by_first_token else max(len(ids) for ids in class_ids)
        start = int(self.model.config.decoder_start_token_id)
        decoder_ids = torch.full((n_classes, longest), start)
        labels = torch.zeros((len(class_ids), longest), dtype=torch.int64)
        counts = torch.zeros((len(class_ids), longest))
        for number, ids in enumerate(class_ids):
            used = torch.tensor(list(ids)[:longest])
            labels[number, : len(used)], counts[number, : len(used)] = used, 1.0
            if not self.by_first_token:
                decoder_ids[number, 1 : len(used)] = used[:-1]
        self.register_buffer("decoder_ids", decoder_ids)
        self.register_buffer("labels", labels)
        self.register_buffer("counts", counts)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        """`log_probabilities`: (batch, classes), in nats."""
        n_classes, longest = self.decoder_ids.shape
        n = input_ids.shape[0]
        hidden, mask = self.encode(input_ids, attention_mask)
        if n_classes > 1:
            hidden = hidden.repeat_interleave(n_classes, 0)
            mask = mask.repeat_interleave(n_classes, 0)
        decoder_ids = self.decoder_ids.repeat(n, 1)
        out = self.model(
            decoder_input_ids=decoder_ids,
            encoder_outputs=(hidden,),
            attention_mask=mask,
            past_key_values=_cache(self.prefix(n * n_classes)) if self.has_prefix else None,
            use_cache=self.has_prefix,
        )
        scores = out.logits.log_softmax(-1)
        if self.by_first_token:
            return {"log_probabilities": scores[:, 0].index_select(1, self.labels[:, 0])}
        scores = scores.reshape(n, n_classes, longest, -1)
        labels = self.labels.expand(n, -1, -1).unsqueeze(-1)
        return {"log_probabilities": (scores.gather(-1, labels).squeeze(-1) * self.counts).sum(-1)}


class EncoderProgram(_TextProgram):
    """Token ids to what the decoder reads at every step."""

    def __init__(self, model: nn.Module, layout: Layout) -> None:
        super().__init__(model, layout)
        self.cross = [
            (f"cross.{block.index}.{'key' if linear.role == 'k' else 'value'}", linear.name)
            for block in layout.blocks
            for linear in block.linears
            if linear.source == "cross" and linear.role in ("k", "v")
        ]

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        """`encoder_attention_mask`: (batch, tokens), prompt included; `cross.<block>.key` and
        `.value`: (batch, heads, tokens, width of a head); with prefix tuning also
        `self.<block>.key` and `.value`.
        """
        hidden, mask = self.encode(input_ids, attention_mask)
        outputs = {"encoder_attention_mask": mask}
        for name, path in self.cross:
            projected = self.model.get_submodule(path)(hidden)
            heads = projected.unflatten(-1, (self.layout.n_heads, -1))
            outputs[name] = heads.transpose(1, 2)
        return outputs | {
            name: value.clone() for name, value in self.prefix(input_ids.shape[0]).items()
        }


class DecoderProgram(_TextProgram):
    """One step: the next token's logits, and self-attention's keys and values with it."""

    def forward(
        self, decoder_input_ids: Tensor, encoder_attention_mask: Tensor, cache: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """`logits`: (batch, vocabulary); `self.<block>.key` and `.value`: (batch, heads, tokens so
        far, width of a head).
        """
        past = _cache(cache)
        # Only its shape is read, since its keys and values are there.
        hidden = cache["cross.0.key"].transpose(1, 2).flatten(2)
        out = self.model(
            decoder_input_ids=decoder_input_ids,
            encoder_outputs=(hidden,),
            attention_mask=encoder_attention_mask,
            past_key_values=past,
            use_cache=True,
        )
        outputs = {"logits": out.logits[:, -1]}
        for i, layer in enumerate(past.self_attention_cache.layers):
            outputs |= {f"self.{i}.key": layer.keys, f"self.{i}.value": layer.values}
        return outputs


def _cache(tensors: dict[str, Tensor]) -> Any:
    """The keys and values that are there, by name, as the decoder takes them."""
    past = EncoderDecoderCache(DynamicCache(), DynamicCache())
    parts = {"self": past.self_attention_cache, "cross": past.cross_attention_cache}
    for name, key in tensors.items():
        attention, block, part = name.split(".")
        if part == "key":
            parts[attention].update(key, tensors[f"{attention}.{block}.value"], int(block))
            if attention == "cross":
                past.is_updated[int(block)] = True
    return past
