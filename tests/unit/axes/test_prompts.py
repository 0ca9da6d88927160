"""Virtual tokens against what the same embeddings, keys and values give when they are written out
by hand.
"""

from typing import Any

import pytest
import torch

from deft_sweeps.axes.activation.gate import install_gates_
from deft_sweeps.axes.density_meter import DensityMeter
from deft_sweeps.axes.density_probe import DensityProbe, block_density_loss
from deft_sweeps.axes.peft_method import attach, trained_parameters
from deft_sweeps.axes.token_mask import Masks
from deft_sweeps.config.axes import DensityLoss, PrefixTuning, PromptTuning, PTuning
from tests.tiny import batch, layout_of, tiny_t5

PROMPTS = [PromptTuning(virtual_tokens=3), PTuning(virtual_tokens=3, hidden=16)]
ALL = [PrefixTuning(virtual_tokens=3), *PROMPTS]


def embeddings(wrapped: Any) -> torch.Tensor:
    given: torch.Tensor = wrapped.get_prompt(batch_size=1)
    return given.detach()


def written_out(wrapped: Any, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same batch with the virtual tokens' embeddings before the real tokens'."""
    n = len(inputs["input_ids"])
    with torch.no_grad():
        real = tiny_t5().get_input_embeddings()(inputs["input_ids"])  # type: ignore[operator]
    prompt = embeddings(wrapped).expand(n, -1, -1)
    mask = torch.cat(
        [torch.ones(n, prompt.shape[1], dtype=torch.long), inputs["attention_mask"]], 1
    )
    return {
        "inputs_embeds": torch.cat([prompt, real], 1),
        "attention_mask": mask,
        "labels": inputs["labels"],
    }


@pytest.mark.parametrize("method", PROMPTS)
def test_prompts_stand_before_the_encoders_input(method: Any) -> None:
    model, inputs = tiny_t5(), batch()
    wrapped: Any = attach(model, layout_of(model), method).eval()
    with torch.no_grad():
        torch.testing.assert_close(
            wrapped(**inputs, use_cache=False).logits,
            tiny_t5()(**written_out(wrapped, inputs)).logits,
        )


def test_a_vocabulary_prompt_starts_at_embeddings_of_tokens() -> None:
    model = tiny_t5()
    torch.manual_seed(0)
    wrapped = attach(model, layout_of(model), PromptTuning(virtual_tokens=5))
    table = tiny_t5().get_input_embeddings().weight  # type: ignore[operator]
    for row in embeddings(wrapped)[0]:
        assert any(torch.equal(row, candidate) for candidate in table)


@pytest.mark.parametrize("method", ALL)
def test_labels_are_scored_at_their_own_positions_whatever_is_padded(method: Any) -> None:
    """A batch gives what each of its examples gives alone, without padding."""
    model, inputs = tiny_t5(), batch()
    wrapped: Any = attach(model, layout_of(model), method).eval()
    with torch.no_grad():
        together = wrapped(**inputs, use_cache=False).logits
        for i in range(len(together)):
            n, m = int(inputs["attention_mask"][i].sum()), int((inputs["labels"][i] != -100).sum())
            alone = wrapped(
                input_ids=inputs["input_ids"][i : i + 1, :n],
                attention_mask=inputs["attention_mask"][i : i + 1, :n],
                labels=inputs["labels"][i : i + 1, :m],
                use_cache=False,
            ).logits
            torch.testing.assert_close(together[i, :m], alone[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", ALL)
def test_the_encoders_output_can_be_used_again(method: Any) -> None:
    """Scoring several class texts runs the encoder once; its output holds the virtual tokens
    already.
    """
    model, inputs = tiny_t5(), batch()
    wrapped: Any = attach(model, layout_of(model), method).eval()
    with torch.no_grad():
        first = wrapped(**inputs, use_cache=False)
        again = wrapped(
            encoder_outputs=(first.encoder_last_hidden_state,),
            attention_mask=inputs["attention_mask"],
            labels=inputs["labels"],
            use_cache=False,
        )
    torch.testing.assert_close(again.logits, first.logits)


@pytest.mark.parametrize("method", ALL)
def test_generation_continues_what_teacher_forcing_scores(method: Any) -> None:
    model, inputs = tiny_t5(n_encoder=3), batch()
    wrapped: Any = attach(model, layout_of(model), method).eval()
    source = {"input_ids": inputs["input_ids"], "attention_mask": inputs["attention_mask"]}
    with torch.no_grad():
        written = wrapped.generate(**source, max_new_tokens=4, min_new_tokens=4, do_sample=False)[
            :, 1:
        ].contiguous()
        logits = wrapped(**source, labels=written, use_cache=False).logits
    # A forced minimum length forbids the end of text (1).
    logits[..., 1] = -torch.inf
    assert torch.equal(logits.argmax(-1), written)


def test_a_prefix_is_keys_and_values_of_the_decoders_self_attention_alone() -> None:
    """With one query and the prefix's values all equal, the attention's output is a mean of that
    value and the real ones.
    """
    model, inputs = tiny_t5(), batch()
    layout = layout_of(model)
    gates = install_gates_(model, layout, "relu")
    meter = DensityMeter(gates)
    seen: dict[str, tuple[int, ...]] = {}
    for at in gates:
        name = f"{at.stack}.{at.index}"
        at.gate.register_forward_hook(
            lambda _m, _i, out, name=name: seen.update({name: tuple(out.shape)})
        )
    wrapped: Any = attach(model, layout, PrefixTuning(virtual_tokens=3)).eval()
    with (
        torch.no_grad(),
        meter.reading(Masks(inputs["attention_mask"], (inputs["labels"] != -100).long())),
    ):
        out = wrapped(**inputs, use_cache=False)
    assert {shape[1] for name, shape in seen.items() if name.startswith("encoder")} == {9}
    assert {shape[1] for name, shape in seen.items() if name.startswith("decoder")} == {4}
    with torch.no_grad():
        plain = tiny_t5()(**inputs).encoder_last_hidden_state
        gated = tiny_t5()
        install_gates_(gated, layout, "relu")
        torch.testing.assert_close(
            out.encoder_last_hidden_state, gated(**inputs).encoder_last_hidden_state
        )
    assert plain.shape == out.encoder_last_hidden_state.shape
    assert not torch.allclose(out.logits, gated(**inputs).logits, atol=1e-2)


@pytest.mark.parametrize("padding", ["mask", "include"])
@pytest.mark.parametrize("method", PROMPTS)
def test_virtual_tokens_count_in_no_density(method: Any, padding: Any) -> None:
    model, inputs = tiny_t5(), batch()
    layout = layout_of(model)
    gates = install_gates_(model, layout, "relu")
    outputs: list[torch.Tensor] = []
    gates[0].gate.register_forward_hook(lambda _m, _i, out: outputs.append(out.detach()))
    wrapped: Any = attach(model, layout, method).eval()
    masks = Masks(inputs["attention_mask"], (inputs["labels"] != -100).long())
    loss = DensityLoss(eps=1e-2, padding=padding)
    with torch.no_grad(), DensityProbe(gates, loss) as probe, probe.reading(masks) as reading:
        wrapped(**inputs, use_cache=False)
    gate = outputs[0][:, 3:]
    counted = (
        inputs["attention_mask"] if padding == "mask" else torch.ones_like(inputs["attention_mask"])
    )
    torch.testing.assert_close(reading.encoder[0], block_density_loss(gate, counted, loss))
    meter = DensityMeter(gates)
    with torch.no_grad(), meter.reading(masks):
        wrapped(**inputs, use_cache=False)
    shares = []
    for i, row in enumerate(inputs["attention_mask"]):
        real = [outputs[1][i, 3 + t] for t in range(9) if row[t]]
        shares.append(sum(float((entry != 0).float().mean()) for entry in real) / len(real))
    assert meter.result().encoder_blocks[0] == pytest.approx(sum(shares) / len(shares), rel=1e-5)


def test_p_tuning_trains_its_perceptron() -> None:
    model = tiny_t5()
    wrapped: Any = attach(model, layout_of(model), PTuning(virtual_tokens=3, hidden=16))
    wrapped(**batch(), use_cache=False).loss.backward()
    assert all(
        float(p.grad.abs().sum()) > 0
        for p in trained_parameters(wrapped).values()
        if p.grad is not None
    )
    assert (
        sum(p.numel() for p in trained_parameters(wrapped).values())
        == 3 * 32 + 16 * 33 + 16 * 17 + 32 * 17
    )
