"""Virtual tokens on models with a head against the same embeddings, keys and values written out by
hand.
"""

from typing import Any

import pytest
import torch
from torch import Tensor

from deft_sweeps.axes.activation.gate import install_gates_
from deft_sweeps.axes.density_meter import DensityMeter
from deft_sweeps.axes.peft_method import attach, trained_parameters
from deft_sweeps.axes.token_mask import Masks
from deft_sweeps.config.axes import PrefixTuning, PromptTuning, PTuning
from deft_sweeps.models.families import FAMILIES
from deft_sweeps.trial.heads import HeadSpec, with_head
from tests.tiny import HEAD_FAMILIES, batch, layout_of, pad_id_of, tiny_encoder

PROMPTS = [PromptTuning(virtual_tokens=3), PTuning(virtual_tokens=3, hidden=16)]
ALL = [PrefixTuning(virtual_tokens=3), *PROMPTS]
SEGMENTED = [
    family for family in HEAD_FAMILIES if "token_type_ids" in FAMILIES[family].model_inputs
]
PREFIXED = [family for family in HEAD_FAMILIES if FAMILIES[family].prefix_stack is not None]
METHODS = [
    (family, method)
    for family in HEAD_FAMILIES
    for method in ALL
    if family in PREFIXED or method in PROMPTS
]


def inputs_of(family: str) -> dict[str, Tensor]:
    inputs = {name: value for name, value in batch().items() if name != "labels"}
    inputs["input_ids"] = torch.where(
        inputs["attention_mask"] == 1, inputs["input_ids"], pad_id_of(family)
    )
    if family in SEGMENTED:
        inputs["token_type_ids"] = (torch.arange(9) > 3).long().expand_as(
            inputs["input_ids"]
        ) * inputs["attention_mask"]
    return inputs


def wrapped_on(family: str, method: Any) -> Any:
    model = tiny_encoder(family)
    torch.manual_seed(1)
    return attach(model, layout_of(model), method).eval()


@pytest.mark.parametrize(("family", "method"), METHODS)
def test_real_tokens_keep_their_positions_and_segments(method: Any, family: str) -> None:
    plain: Any = tiny_encoder(family)
    inputs, wrapped = inputs_of(family), wrapped_on(family, method)
    read = ["position_embeddings", *(["token_type_embeddings"] if family in SEGMENTED else [])]
    seen: dict[str, list[Tensor]] = {name: [] for name in read}
    for model in (plain, wrapped.get_base_model()):
        for name in read:
            module = getattr(model.embeddings, name)
            module.register_forward_pre_hook(
                lambda _, given, name=name: seen[name].append(given[0])
            )
        with torch.no_grad():
            (wrapped if model is not plain else plain)(**inputs)
    real = inputs["attention_mask"] == 1
    for theirs, ours in seen.values():
        assert torch.equal(ours.expand(5, -1)[:, -9:][real], theirs.expand(5, -1)[real])


@pytest.mark.parametrize("family", HEAD_FAMILIES)
@pytest.mark.parametrize("method", PROMPTS)
def test_a_prompt_is_embeddings_before_the_first_token(method: Any, family: str) -> None:
    plain: Any = tiny_encoder(family)
    inputs, wrapped, given = inputs_of(family), wrapped_on(family, method), plain.embeddings
    prompt = wrapped.get_prompt(batch_size=1).detach()[0]
    with torch.no_grad():
        out = wrapped(**inputs).last_hidden_state
        for i in range(5):
            n = int(inputs["attention_mask"][i].sum())
            ids = inputs["input_ids"][i, :n]
            first = layout_of(plain).first_position
            places = torch.tensor([first] * 3 + [first + t for t in range(n)])
            segments = torch.cat(
                [torch.zeros(3), inputs.get("token_type_ids", torch.zeros(5, 9))[i, :n]]
            ).long()
            words = torch.cat([prompt, given.word_embeddings(ids)])[None]
            kinds = {"token_type_ids": segments[None]} if family in SEGMENTED else {}
            expected = plain(
                inputs_embeds=words, position_ids=places[None], **kinds
            ).last_hidden_state
            torch.testing.assert_close(out[i, : 3 + n], expected[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", PREFIXED)
def test_a_prefix_is_keys_and_values_before_the_first_token(family: str) -> None:
    inputs, plain, wrapped = (
        inputs_of(family),
        tiny_encoder(family),
        wrapped_on(family, PrefixTuning(virtual_tokens=3)),
    )
    table = wrapped.prompt_encoder["default"].embedding.weight.detach()  # (3, 2 * layers * width)
    model: Any = plain
    with torch.no_grad():
        out = wrapped(**inputs).last_hidden_state
        assert out.shape[1] == 9
        for i in range(5):
            n = int(inputs["attention_mask"][i].sum())
            alone = {
                name: value[i : i + 1, :n]
                for name, value in inputs.items()
                if name != "attention_mask"
            }
            hidden = model.embeddings(**alone)[0]
            for number, layer in enumerate(model.encoder.layer):
                attention = layer.attention.self
                keys, values = (
                    torch.cat(
                        [
                            table[:, (2 * number + j) * 32 : (2 * number + j + 1) * 32],
                            projection(hidden),
                        ]
                    )
                    for j, projection in enumerate((attention.key, attention.value))
                )
                query, heads = attention.query(hidden), []
                for head in range(4):
                    own = slice(head * 8, head * 8 + 8)
                    heads.append(
                        (query[:, own] @ keys[:, own].T / 8**0.5).softmax(-1) @ values[:, own]
                    )
                hidden = layer.attention.output(torch.cat(heads, -1), hidden)
                hidden = layer.output(layer.intermediate(hidden), hidden)
            torch.testing.assert_close(out[i, :n], hidden, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("family", "method"), METHODS)
def test_virtual_tokens_count_in_no_density_and_are_all_that_trains(
    method: Any, family: str
) -> None:
    inputs, model = inputs_of(family), tiny_encoder(family)
    gates = install_gates_(model, layout_of(model), "relu")
    outputs: list[Tensor] = []
    gates[-1].gate.register_forward_hook(lambda _m, _i, out: outputs.append(out.detach()))
    wrapped: Any = attach(model, layout_of(model), method).eval()
    meter = DensityMeter(gates)
    with torch.no_grad(), meter.reading(Masks(inputs["attention_mask"], None)):
        wrapped(**inputs)
    shares = []
    for entries, row in zip(outputs[0], inputs["attention_mask"], strict=True):
        real = [entries[t - 9] for t in range(9) if row[t]]
        shares.append(sum(float((entry != 0).float().mean()) for entry in real) / len(real))
    assert meter.result().encoder_blocks[-1] == pytest.approx(sum(shares) / 5, rel=1e-5)
    wrapped(**inputs).last_hidden_state[:, -9:].square().sum().backward()
    trained = trained_parameters(wrapped)
    assert trained
    assert all("prompt_encoder" in name for name in trained)
    assert all(float(p.grad.abs().sum()) > 0 for p in trained.values() if p.grad is not None)


@pytest.mark.parametrize(("family", "method"), METHODS)
@pytest.mark.parametrize("kind", ["classification", "span"])
def test_a_head_reads_real_tokens(kind: Any, method: Any, family: str) -> None:
    """The first token is the family's own, not a virtual one, and a span's places are those of the
    input.
    """
    inputs, model = inputs_of(family), tiny_encoder(family)
    layout = layout_of(model)
    wrapped = attach(model, layout, method)
    headed = with_head(model, wrapped, layout, HeadSpec(kind, 2)).eval()
    with torch.no_grad():
        hidden = wrapped(**inputs).last_hidden_state
        n_before = hidden.shape[1] - 9
        logits = headed(**inputs).logits
        assert n_before == (0 if isinstance(method, PrefixTuning) else 3)
        if kind == "span":
            real = inputs["attention_mask"] == 1
            torch.testing.assert_close(logits[real], headed.out(hidden[:, n_before:])[real])
        else:
            pooler: Any = headed.pooler
            torch.testing.assert_close(
                logits, headed.out(headed.activation(pooler(hidden[:, n_before])))
            )
