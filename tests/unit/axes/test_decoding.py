"""The density while generating, against loops over single samples that are decoded one token at a
time.
"""

from typing import Any

import pytest
import torch
from torch import Tensor

from deft_sweeps.axes.activation.gate import Gates, install_gates_, thresholded
from deft_sweeps.axes.decoding import GenerationMeter, generated_lengths
from tests.tiny import batch, layout_of, tiny_t5

THRESHOLD = 0.1


@pytest.fixture
def model_and_gates() -> tuple[Any, Gates]:
    # transformers sizes the decoder's cache by the encoder's depth, so here the two are alike.
    model = tiny_t5(n_encoder=3)
    return model, install_gates_(model, layout_of(model), "relu")


def ends(model: Any, inputs: dict[str, Tensor]) -> list[int]:
    """Two tokens that are decoded at unlike places, so that samples end after unlike lengths."""
    free = generate(model, inputs, [95])
    return sorted({int(free[0, 2]), int(free[1, 4])})


def generate(model: Any, inputs: dict[str, Tensor], end: list[int], **settings: Any) -> Tensor:
    generated: Tensor = model.generate(
        input_ids=inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        max_new_tokens=6,
        do_sample=False,
        eos_token_id=end,
        pad_token_id=0,
        **settings,
    )
    return generated


@torch.no_grad()
def naive(model: Any, gates: Gates, inputs: dict[str, Tensor], end: list[int]) -> list[list[float]]:
    """Per sample and block: greedy decoding of one unpadded sample, its gates read by plain hooks
    in one last pass.
    """
    written = []
    for ids, mask in zip(inputs["input_ids"], inputs["attention_mask"], strict=True):
        source = ids[mask.bool()].unsqueeze(0)
        decoded = [0]
        while len(decoded) < 7:
            logits = model(
                input_ids=source, decoder_input_ids=torch.tensor([decoded]), use_cache=False
            ).logits
            decoded.append(int(logits[0, -1].argmax()))
            if decoded[-1] in end:
                break
        gate_outputs: list[Tensor] = []
        handles = [
            at.gate.register_forward_hook(
                lambda _m, _a, out, gate_outputs=gate_outputs: gate_outputs.append(out)
            )
            for at in gates
        ]
        model(input_ids=source, decoder_input_ids=torch.tensor([decoded[:-1]]), use_cache=False)
        for handle in handles:
            handle.remove()
        written.append(
            [
                sum(entry != 0 for entry in out.flatten().tolist()) / out.numel()
                for out in gate_outputs
            ]
        )
    return written


@pytest.mark.parametrize("use_cache", [True, False])
def test_equals_a_loop_over_single_samples(
    model_and_gates: tuple[Any, Gates], use_cache: bool
) -> None:
    model, gates = model_and_gates
    meter = GenerationMeter(gates)
    shares: list[list[float]] = []
    lengths: list[int] = []
    with thresholded(gates, THRESHOLD):
        for inputs in (batch(5), batch(3, seed=1)):
            end = ends(model, inputs)
            with meter.reading(inputs["attention_mask"]):
                sequences = generate(model, inputs, end, use_cache=use_cache)
            meter.close(generated_lengths(sequences, end))
            shares += naive(model, gates, inputs, end)
            lengths += generated_lengths(sequences, end).tolist()
    assert len(set(lengths)) > 1
    got = meter.result()
    expected = [sum(sample[block] for sample in shares) / 8 for block in range(len(gates))]
    assert [*got.encoder_blocks, *got.decoder_blocks] == pytest.approx(expected, abs=1e-5)
    assert all(at.gate.reader is None for at in gates)


def test_lengths_count_the_first_end_and_stop_there() -> None:
    sequences = torch.tensor([[0, 5, 1, 0, 0], [0, 5, 6, 7, 8], [0, 2, 1, 1, 0], [0, 3, 4, 6, 1]])
    assert generated_lengths(sequences, [1]).tolist() == [2, 4, 2, 4]
    assert generated_lengths(sequences, [1, 2]).tolist() == [2, 4, 1, 4]
    assert generated_lengths(sequences[:, :1], [1]).tolist() == [0, 0, 0, 0]


def test_beams_are_refused(model_and_gates: tuple[Any, Gates]) -> None:
    model, gates = model_and_gates
    meter, inputs = GenerationMeter(gates), batch()
    with (
        pytest.raises(ValueError, match="only one a sample"),
        meter.reading(inputs["attention_mask"]),
    ):
        generate(model, inputs, [1], num_beams=2)


def test_nothing_read_is_no_density(model_and_gates: tuple[Any, Gates]) -> None:
    _, gates = model_and_gates
    meter = GenerationMeter(gates)
    with pytest.raises(ValueError, match="never read"):
        meter.result()
    with meter.reading(torch.ones(2, 3)):
        pass
    with pytest.raises(ValueError, match="0 decoded tokens where 2"):
        meter.close(torch.tensor([1, 2]))
