"""Projections beside the real thing: the models are built, without weights, and counted."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSeq2SeqLM

from deft_sweeps.axes.peft_method import attach, trained_parameters
from deft_sweeps.axes.quantization.packed_layers import TORCH_DTYPES, quantize_
from deft_sweeps.config.axes import (
    AdaDeft,
    AdaLora,
    Adapter,
    Dtype,
    Fp4,
    Ia3,
    Int8,
    Lora,
    Nf4,
    Oft,
    Peft,
    PrefixTuning,
    PromptTuning,
    PTuning,
    Training,
    Vera,
    Wanda,
)
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.models.checkpoints import read_config
from deft_sweeps.models.families import layout
from deft_sweeps.projection.activation_memory import CLASS_TOKENS
from deft_sweeps.projection.sweep_projection import project
from deft_sweeps.projection.trial_estimate import (
    Estimate,
    estimate,
    frozen_additions,
    trainable_parameters,
    weight_bytes,
)
from deft_sweeps.specification.spec_reader import parse_spec
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.trial.base import cast_
from deft_sweeps.trial.cost import tensor_bytes
from tests.tiny import layout_of, tiny_t5

MODELS = ("google/flan-t5-small", "google/flan-t5-base", "t5-small")
SMALL = layout(read_config("google/flan-t5-small"))
RATE = 1e11


def meta_model(name: str) -> nn.Module:
    config = read_config(name)
    with torch.device("meta"):
        model: nn.Module = AutoModelForSeq2SeqLM.from_config(AutoConfig.for_model(**config))
    return model


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    "peft",
    [
        Lora(),
        Lora(r=3, targets=("k", "o", "gate", "down")),
        Lora(r=3, targets=("k", "o", "gate", "down"), dora=True),
        AdaLora(r=3, extra=2, targets=("q", "down")),
        Ia3(),
        Ia3(targets=("q", "o", "gate", "down")),
        Vera(r=16, targets=("q", "gate", "down")),
        Oft(block=16, targets=("q", "down")),
        PrefixTuning(virtual_tokens=5),
        PromptTuning(virtual_tokens=5, init="random"),
        PTuning(virtual_tokens=5, hidden=24),
        Adapter(),
        Adapter(reduction=100),
        Adapter(placement="houlsby"),
        Adapter(placement="parallel"),
    ],
)
def test_trainable_parameters_are_those_of_the_real_model(name: str, peft: Peft) -> None:
    shape = layout(read_config(name))
    model = meta_model(name)
    n_before = sum(held.numel() for held in (*model.parameters(), *model.buffers()))
    with torch.device("meta"):
        attached = attach(model, shape, peft)
    trained = trained_parameters(attached)
    assert trainable_parameters(TrialConfig(peft=peft), shape) == sum(
        parameter.numel() for parameter in trained.values()
    )
    # Integers that only say where something is are left out: indices of OFT's triangles and of
    # virtual tokens.
    held = [x for x in (*attached.parameters(), *attached.buffers()) if x.is_floating_point()]
    n_frozen = (
        sum(x.numel() for x in held)
        - n_before
        - sum(parameter.numel() for parameter in trained.values())
    )
    assert frozen_additions(TrialConfig(peft=peft), shape) == n_frozen


def test_block_gates_add_one_parameter_a_block_and_their_blocks_outputs() -> None:
    plain = of(TrialConfig())
    gated = of(TrialConfig(adaptive=AdaDeft()))
    assert gated.trainable_parameters - plain.trainable_parameters == 16
    tokens = 8 * TrialConfig().task.max_input_tokens + 8 * CLASS_TOKENS
    assert gated.activation_bytes - plain.activation_bytes == 16 * tokens * 512 * 4


@pytest.mark.parametrize(("dtype", "size"), [("fp32", 4), ("bf16", 2)])
def test_weight_bytes_unquantized(dtype: str, size: int) -> None:
    config = TrialConfig(dtype="fp32" if dtype == "fp32" else "bf16")
    assert weight_bytes(config, SMALL) == size * SMALL.n_parameters


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize(
    ("quantization", "table"), [(Nf4(), 16), (Nf4(double=True), 16 + 256), (Fp4(), 16), (Int8(), 0)]
)
def test_weight_bytes_are_those_of_a_quantized_model(
    quantization: Nf4 | Fp4 | Int8, table: int, dtype: Dtype
) -> None:
    """Bitsandbytes keeps a table of 16 values a 4-bit layer, one of 256 beside that for double
    quantization, and rounds up to blocks.
    """
    model = tiny_t5()
    shape = layout_of(model)
    quantize_(model, shape, quantization, dtype, torch.device("cpu"))
    cast_(model, TORCH_DTYPES[dtype])
    ours = weight_bytes(TrialConfig(quantization=quantization, dtype=dtype), shape)
    real = tensor_bytes(model) - 4 * table * len(shape.linears)
    assert 0 <= real - ours <= 200 * len(shape.linears) if table else real == ours


@pytest.mark.parametrize("double", [False, True])
def test_weight_bytes_nf4_are_those_of_a_quantized_layer(double: bool) -> None:
    """One real layer of the same bytes a weight; bitsandbytes keeps a table of 16 values a layer,
    and one of 256, beside that.
    """
    import bitsandbytes.functional as bnb

    packed, state = bnb.quantize_4bit(
        torch.randn(512, 1024), quant_type="nf4", compress_statistics=double
    )
    real = packed.numel() + state.absmax.numel() * state.absmax.element_size()
    if double:
        real += state.state2.absmax.numel() * 4
    dense = 2 * (SMALL.embedding_parameters + SMALL.other_parameters)
    ours = weight_bytes(TrialConfig(quantization=Nf4(double=double)), SMALL) - dense
    assert ours / SMALL.linear_parameters == pytest.approx(real / (512 * 1024), rel=1e-3)


def of(config: TrialConfig) -> Estimate:
    return estimate(config, SMALL, Evaluation(), RATE)


def test_more_of_everything_costs_more() -> None:
    base = of(TrialConfig())
    assert of(TrialConfig(training=Training(steps=200))).train_flops == pytest.approx(
        2 * base.train_flops
    )
    assert (
        of(TrialConfig(training=Training(batch_size=32))).activation_bytes
        == 2 * base.activation_bytes
    )
    assert (
        of(TrialConfig(training=Training(batch_size=16, accumulation=4))).activation_bytes * 4
        == base.activation_bytes
    )
    assert of(TrialConfig(peft=Lora(r=16))).optimizer_bytes == 2 * base.optimizer_bytes
    assert of(TrialConfig(quantization=Nf4())).weight_bytes < base.weight_bytes
    int8 = of(TrialConfig(quantization=Int8()))
    assert int8.train_sec == base.train_sec
    assert int8.evaluate_sec > base.evaluate_sec
    assert of(TrialConfig(quantization=Int8())).weight_bytes < base.weight_bytes
    assert (
        of(TrialConfig(quantization=Int8())).time_sec
        > of(TrialConfig(quantization=Fp4())).time_sec
        == base.time_sec
    )
    assert of(TrialConfig(pruning=Wanda())).time_sec > base.time_sec
    assert (
        of(TrialConfig(peft=PromptTuning())).activation_bytes
        > of(TrialConfig(peft=PrefixTuning())).activation_bytes
    )
    ada = of(TrialConfig(peft=AdaLora()))
    assert ada.optimizer_bytes == 24 * ada.trainable_parameters
    assert estimate(TrialConfig(), SMALL, Evaluation(), 2 * RATE).time_sec < base.time_sec
    assert estimate(
        TrialConfig(), SMALL, Evaluation(thresholds=(0.0, 0.01)), RATE
    ).evaluate_flops == pytest.approx(base.evaluate_flops / 2)


def test_training_flops_beside_a_naive_count() -> None:
    """Four operations a frozen weight and token where nothing is trained but a vanishing
    adapter.
    """
    config = TrialConfig(peft=Adapter(reduction=512), training=Training(steps=1, batch_size=1))
    per_token = {
        stack: sum(x.n_parameters for b in SMALL.blocks if b.stack == stack for x in b.linears)
        for stack in ("encoder", "decoder")
    }
    naive = 4 * (
        per_token["encoder"] * config.task.max_input_tokens
        + (per_token["decoder"] + SMALL.vocab_size * SMALL.d_model) * CLASS_TOKENS
    )
    assert of(config).train_flops == pytest.approx(naive, rel=0.01)


def spec(budget: str) -> SweepSpec:
    return parse_spec(
        f"name: x\nspace: {{density: [none, loss], quantization: [none, nf4]}}\nbudget: {budget}\n",
        "x.yaml",
    )


def test_a_sweep_is_its_trials_over_what_runs_at_once() -> None:
    one = project(spec("{trials: 8, concurrency: 1}"), SMALL, n_cores=4)
    four = project(spec("{trials: 8}"), SMALL, n_cores=4)
    two = project(spec("{trials: 8, cpus_per_trial: 2}"), SMALL, n_cores=4)
    assert (one.n_parallel, four.n_parallel, two.n_parallel) == (1, 4, 2)
    assert four.memory_bytes == 4 * one.memory_bytes
    assert (
        one.memory_bytes
        == max(e.memory_bytes for e in one.trials.values())
        == one.trials[one.largest].memory_bytes
    )
    assert four.time_sec < one.time_sec
    assert project(spec("{trials: 8, hours: 0.01}"), SMALL, n_cores=1).time_sec < one.time_sec
    of_cores = project(
        spec("{trials: 8, cpu_hours: 0.02, cpus_per_trial: 2}"), SMALL, n_cores=2
    ).time_sec
    assert (
        of_cores
        == project(spec("{trials: 8, hours: 0.01, cpus_per_trial: 2}"), SMALL, n_cores=2).time_sec
        < one.time_sec
    )
    assert project(spec("{trials: 1}"), SMALL, n_cores=64).n_parallel == 1


def test_a_trial_needs_its_process_and_its_model() -> None:
    needs = of(replace(TrialConfig(), dtype="fp32"))
    assert needs.memory_bytes > needs.weight_bytes + needs.adapter_bytes + needs.optimizer_bytes
