"""Projected peaks: what is held for the backward pass beside what autograd really saves, and the
phases.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from deft_sweeps.axes.activation.gate import install_gates_
from deft_sweeps.axes.adaptive import gate_blocks_
from deft_sweeps.axes.density_probe import DensityProbe, combine
from deft_sweeps.axes.peft_method import attach
from deft_sweeps.axes.quantization.packed_layers import TORCH_DTYPES
from deft_sweeps.axes.token_mask import Masks
from deft_sweeps.config.axes import (
    AdaDeft,
    Adapter,
    DensityLoss,
    Dtype,
    Int8,
    Lora,
    Magnitude,
    Nf4,
    Peft,
    PrefixTuning,
    PromptTuning,
    SparseGpt,
    Training,
    Unquantized,
    Wanda,
)
from deft_sweeps.config.data import FileTask, PackagedTask, SquadTask
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.kernels import trial_library
from deft_sweeps.models.checkpoints import read_config
from deft_sweeps.models.families import layout
from deft_sweeps.projection.activation_memory import (
    CLASS_TOKENS,
    activation_bytes,
    evaluation_bytes,
    input_tokens,
    target_tokens,
)
from deft_sweeps.projection.peak_memory import CUDA_CONTEXT_BYTES, CUDA_OVERHEAD
from deft_sweeps.projection.sweep_projection import gpus_that_hold
from deft_sweeps.projection.trial_estimate import Estimate, estimate, weight_bytes
from deft_sweeps.trial.base import cast_
from tests.tiny import layout_of, tiny_t5

XXL = layout(read_config("google/flan-t5-xxl"))
SMALL = layout(read_config("google/flan-t5-small"))


def saved_bytes(run: Callable[[], Any], frozen: set[int]) -> int:
    """Bytes of distinct storages that autograd keeps for the backward pass, weights aside: the
    naive count.
    """
    held: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in frozen:
            held[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = run()
    assert out.requires_grad
    return sum(storage.nbytes() for storage in held.values())


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize(
    "peft",
    [
        Lora(r=2),
        Lora(r=2, targets=("q", "v", "gate", "down")),
        Adapter(),
        PromptTuning(virtual_tokens=12),
    ],
)
@pytest.mark.parametrize("density", [None, DensityLoss(), DensityLoss(surrogate="tanh")])
def test_activations_are_those_that_autograd_saves(
    dtype: Dtype, peft: Peft, density: DensityLoss | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tiny vocabulary, so that the blocks count; within a fifth, since the embedding and the loss
    keep a little too. With the CPU's kernels it is at most that.
    """
    model: Any = tiny_t5(n_encoder=4)
    model.set_attn_implementation("eager")
    shape = layout_of(model)
    gates = install_gates_(model, shape, "pretrained")
    cast_(model, TORCH_DTYPES[dtype])
    model = attach(model, shape, peft)
    n, tokens = 4, 48
    frozen = {p.untyped_storage().data_ptr() for p in (*model.parameters(), *model.buffers())}
    inputs = {
        "input_ids": torch.randint(2, 96, (n, tokens)),
        "attention_mask": torch.ones(n, tokens, dtype=torch.long),
    }
    labels = torch.randint(2, 96, (n, CLASS_TOKENS))

    def run() -> Any:
        if density is None:
            return model(**inputs, labels=labels, use_cache=False).logits.float().log_softmax(-1)
        probe = DensityProbe(gates, density)
        with (
            probe,
            probe.reading(Masks(inputs["attention_mask"], torch.ones_like(labels))) as reading,
        ):
            logits = model(**inputs, labels=labels, use_cache=False).logits
        return logits.float().log_softmax(-1).sum() + combine(
            reading.encoder, reading.decoder, density
        )

    config = TrialConfig(
        task=PackagedTask(max_input_tokens=tokens),
        peft=peft,
        dtype=dtype,
        training=Training(batch_size=n),
    )
    if density is not None:
        config = replace(config, density=density)
    projected = activation_bytes(config, shape)
    assert saved_bytes(run, frozen) <= 1.2 * projected
    monkeypatch.setattr(trial_library, "library", lambda: None)
    assert projected == pytest.approx(saved_bytes(run, frozen), rel=0.2)


def test_block_gates_hold_the_encoder_that_a_prefix_alone_does_not() -> None:
    model: Any = tiny_t5(n_encoder=4)
    model.set_attn_implementation("eager")
    shape = layout_of(model)
    gates = install_gates_(model, shape, "pretrained")
    wrapped = attach(model, shape, PrefixTuning())
    frozen = {p.untyped_storage().data_ptr() for p in (*wrapped.parameters(), *wrapped.buffers())}
    inputs = {
        "input_ids": torch.randint(2, 96, (4, 48)),
        "attention_mask": torch.ones(4, 48, dtype=torch.long),
        "labels": torch.randint(2, 96, (4, CLASS_TOKENS)),
    }
    task, training = PackagedTask(max_input_tokens=48), Training(batch_size=4)
    alone = TrialConfig(task=task, peft=PrefixTuning(), dtype="fp32", training=training)
    gated = replace(alone, adaptive=AdaDeft())
    before = saved_bytes(lambda: wrapped(**inputs, use_cache=False).loss, frozen)
    gate_blocks_(model, shape, gates, AdaDeft())
    after = saved_bytes(lambda: wrapped(**inputs, use_cache=False).loss, frozen)
    assert after > 4 * before
    assert activation_bytes(gated, shape) > 4 * activation_bytes(alone, shape)
    assert activation_bytes(gated, shape) == pytest.approx(after, rel=0.35)


def of(
    config: TrialConfig,
    evaluation: Evaluation | None = None,
    *,
    on_gpu: bool = False,
    shape: Any = SMALL,
) -> Estimate:
    return estimate(config, shape, evaluation or Evaluation(), 1e11, on_gpu=on_gpu)


def test_targets_are_as_long_as_the_task_says() -> None:
    assert target_tokens(TrialConfig()) == CLASS_TOKENS
    assert target_tokens(TrialConfig(task=SquadTask(max_target_tokens=30))) == 30
    assert (
        target_tokens(TrialConfig(task=FileTask(path="x.csv", task="text", max_target_tokens=77)))
        == 77
    )
    assert target_tokens(TrialConfig(task=FileTask(path="x.csv"))) == CLASS_TOKENS
    assert input_tokens(TrialConfig(peft=PromptTuning(virtual_tokens=7))) == 48 + 7
    longer = [
        activation_bytes(TrialConfig(task=SquadTask(max_target_tokens=n)), SMALL) for n in (10, 30)
    ]
    assert longer[1] > longer[0]


def test_each_phase_can_be_the_highest() -> None:
    little = TrialConfig(training=Training(batch_size=4))
    assert of(little, Evaluation(batch_size=1)).peak.phase == "build"
    assert of(replace(little, dtype="fp32"), Evaluation(batch_size=256)).peak.phase == "evaluate"
    big = replace(TrialConfig(), training=Training(batch_size=256))
    assert of(big, on_gpu=True).peak.phase == "train"
    assert of(big).peak.highest == max(
        of(big).peak.build, of(big).peak.train, of(big).peak.evaluate
    )


def test_what_lowers_the_peak_and_what_does_not() -> None:
    base = of(TrialConfig()).peak
    assert of(TrialConfig(training=Training(accumulation=4))).peak.train < base.train
    assert (
        of(TrialConfig(peft=PrefixTuning())).activation_bytes
        < of(TrialConfig(peft=Lora())).activation_bytes / 4
    )
    assert of(TrialConfig(density=DensityLoss())).peak.train > base.train
    assert of(TrialConfig(peft=Lora(dora=True))).peak.train > base.train
    assert of(TrialConfig(), Evaluation(batch_size=256)).peak.evaluate > base.evaluate
    assert (
        of(TrialConfig(quantization=Int8())).peak.evaluate
        > of(TrialConfig(quantization=Nf4())).peak.evaluate
    )
    assert of(TrialConfig(pruning=SparseGpt())).peak.build > base.build
    assert evaluation_bytes(TrialConfig(), SMALL, 64) == 2 * evaluation_bytes(
        TrialConfig(), SMALL, 32
    )


def test_a_gpu_never_holds_the_dense_model() -> None:
    config = TrialConfig(
        model="google/flan-t5-xxl",
        task=SquadTask(),
        quantization=Nf4(),
        peft=Lora(r=16),
        training=Training(batch_size=4, accumulation=4),
    )
    largest = 4 * max(linear.n_parameters for linear in XXL.linears)
    spared = weight_bytes(config, XXL) + largest
    plain = of(config, on_gpu=True, shape=XXL).peak
    assert plain.build == int(CUDA_CONTEXT_BYTES + CUDA_OVERHEAD * spared)
    assert plain.build < plain.train
    assert gpus_that_hold(plain.highest)[0] <= 24
    for pruning in (Magnitude(), Wanda(), SparseGpt()):
        pruned = of(replace(config, pruning=pruning), on_gpu=True, shape=XXL).peak.build
        assert plain.build <= pruned < 0.5 * 4 * XXL.n_parameters
    dense = of(
        replace(config, quantization=Unquantized(), dtype="bf16"), on_gpu=True, shape=XXL
    ).peak.build
    assert dense == int(CUDA_CONTEXT_BYTES + CUDA_OVERHEAD * 2 * XXL.n_parameters)
    assert gpus_that_hold(2**50) == ()
