"""Heads against transformers' own models with the same weights, and what a head must not touch."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForQuestionAnswering,
    DistilBertForSequenceClassification,
    RobertaConfig,
    RobertaForQuestionAnswering,
    RobertaForSequenceClassification,
)

from deft_sweeps.axes.peft_method import attach, trained_parameters
from deft_sweeps.config.axes import Adapter, Lora
from deft_sweeps.models.families import family_of
from deft_sweeps.trial.heads import HeadSpec, with_head
from tests.tiny import HEAD_FAMILIES, batch, layout_of, pad_id_of, tiny_encoder

METHODS = [Lora(r=4, targets=("q", "v", "gate", "down")), Adapter(reduction=4)]
SEQUENCE = {
    "bert": (BertConfig, BertForSequenceClassification),
    "roberta": (RobertaConfig, RobertaForSequenceClassification),
    "distilbert": (DistilBertConfig, DistilBertForSequenceClassification),
}
ANSWERING = {
    "bert": (BertConfig, BertForQuestionAnswering),
    "roberta": (RobertaConfig, RobertaForQuestionAnswering),
    "distilbert": (DistilBertConfig, DistilBertForQuestionAnswering),
}
HEAD_LAYERS = {
    "bert": ("classifier", None),
    "roberta": ("classifier.out_proj", "classifier.dense"),
    "distilbert": ("classifier", "pre_classifier"),
}
"""Output layer and, where the head has one of its own, projection of the first token."""


def reference(family: str, classes: dict[str, Any], encoder: Any, n_outputs: int) -> Any:
    config_type, model_type = classes[family]
    model = model_type(config_type(**{**encoder.config.to_dict(), "num_labels": n_outputs})).eval()
    outcome = getattr(model, family).load_state_dict(encoder.state_dict(), strict=False)
    assert not outcome.missing_keys
    return model


def some(family: str) -> dict[str, torch.Tensor]:
    inputs = batch()
    mask = inputs["attention_mask"]
    ids = inputs["input_ids"].clamp_min(2) * mask + (1 - mask) * pad_id_of(family)
    return {"input_ids": ids, "attention_mask": inputs["attention_mask"]}


@pytest.mark.parametrize("family", HEAD_FAMILIES)
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_class_or_a_number_is_read_as_transformers_reads_it(family: str, kind: Any) -> None:
    encoder: Any = tiny_encoder(family)
    n_outputs = 3 if kind == "classification" else 1
    headed = with_head(encoder, encoder, layout_of(encoder), HeadSpec(kind, n_outputs)).eval()
    theirs = reference(family, SEQUENCE, encoder, n_outputs)
    with torch.no_grad():
        out, own_projection = HEAD_LAYERS[family]
        theirs.get_submodule(out).load_state_dict(headed.out.state_dict())
        if own_projection is not None:
            assert headed.pooler is not None
            theirs.get_submodule(own_projection).load_state_dict(headed.pooler.state_dict())
        got, expected = headed(**some(family)).logits, theirs(**some(family)).logits
    assert got.shape == (5, n_outputs)
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("family", HEAD_FAMILIES)
def test_a_span_is_read_as_transformers_reads_it_but_never_on_padding(family: str) -> None:
    encoder: Any = tiny_encoder(family)
    headed = with_head(encoder, encoder, layout_of(encoder), HeadSpec("span", 2)).eval()
    theirs = reference(family, ANSWERING, encoder, 2)
    theirs.qa_outputs.load_state_dict(headed.out.state_dict())
    inputs = some(family)
    with torch.no_grad():
        got, expected = headed(**inputs).logits, theirs(**inputs)
    real = inputs["attention_mask"] == 1
    assert not bool(real.all())
    torch.testing.assert_close(got[..., 0][real], expected.start_logits[real])
    torch.testing.assert_close(got[..., 1][real], expected.end_logits[real])
    assert bool((got[~real] < -1e30).all())


@pytest.mark.parametrize("family", HEAD_FAMILIES)
@pytest.mark.parametrize("method", METHODS)
def test_the_head_trains_beside_the_method_and_nothing_else_does(family: str, method: Any) -> None:
    encoder: Any = tiny_encoder(family)
    layout = layout_of(encoder)
    n_method = sum(
        p.numel() for p in trained_parameters(attach(tiny_encoder(family), layout, method)).values()
    )
    headed = with_head(
        encoder, attach(encoder, layout, method), layout, HeadSpec("classification", 2)
    )
    trained = trained_parameters(headed)
    assert sum(p.numel() for p in trained.values()) == n_method + family_of(layout).head_parameters(
        layout, 2
    )
    assert {p.dtype for p in trained.values()} == {torch.float32}
    headed(**some(family)).logits.square().sum().backward()
    # `down` of LoRA and `up` of an adapter start at zero, so that what stands before them has no
    # gradient yet.
    moving = [name for name, p in trained.items() if p.grad is not None and bool(p.grad.any())]
    assert any(not name.startswith(("out", "pooler")) for name in moving)
    assert {"out.weight", "out.bias"} <= set(moving)
    assert ("pooler.weight" in moving) == (layout.pooler is None)


def test_a_head_starts_from_the_seed_and_a_number_from_the_mean() -> None:
    encoder: Any = tiny_encoder()
    layout = layout_of(encoder)

    def start(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        head: torch.Tensor = with_head(
            encoder, encoder, layout, HeadSpec("classification", 2)
        ).out.weight
        return head

    assert torch.equal(start(1), start(1))
    assert not torch.equal(start(1), start(2))
    spec = replace(HeadSpec("regression", 1), offset=2.5)
    assert with_head(encoder, encoder, layout, spec).out.bias.tolist() == [2.5]
