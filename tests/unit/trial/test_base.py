"""How a base comes to its device: what goes over is final, and dense weights are lent a layer at a
time.

The meta device stands for a GPU where nothing is computed: a tensor on it has a device and no
values.
"""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from deft_sweeps.axes.quantization.packed_layers import quantize_
from deft_sweeps.config.axes import Int8, Magnitude, Nf4, SparseGpt, Unquantized, Wanda
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.models.checkpoints import load_model
from deft_sweeps.tasks.task_data import load_task
from deft_sweeps.trial import base
from deft_sweeps.trial.base import build_base, cast_, lending
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory
from deft_sweeps.trial.torch_starter import TorchTrialStarter
from tests.tiny import batch, layout_of, tiny_encoder, tiny_t5

CPU, AWAY = torch.device("cpu"), torch.device("meta")


class Arrivals(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch ships none
    """Every tensor that an operation makes on the other device."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dtypes: list[torch.dtype] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor) and out.device == AWAY:
            self.dtypes.append(out.dtype)
        return out


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_what_goes_over_is_final(
    tiny_config: TrialConfig, dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(tiny_config, dtype=dtype)
    data = load_task(config.task, config.model)
    # Which makes tensors without values too, before it has read them.
    loaded = load_model(config.model, "fp32")
    monkeypatch.setattr("deft_sweeps.models.checkpoints.load_model", lambda *_: loaded)
    with Arrivals() as arrived:
        made = build_base(config, data, AWAY)
    assert {held.device for held in (*made.model.parameters(), *made.model.buffers())} == {AWAY}
    n = len(list(made.model.parameters()))
    # Each tensor once, and none of them in another dtype than it stays in.
    assert arrived.dtypes == [torch.float32 if dtype == "fp32" else torch.bfloat16] * n


def test_the_order_is_load_swap_prune_quantize_cast(
    tiny_config: TrialConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[str] = []

    def watched(name: str) -> None:
        verb = getattr(base, name)

        def run(model: nn.Module, *args: Any, **kwargs: Any) -> Any:
            dense = next(p for p in model.parameters() if p.dim() == 2 and p.is_floating_point())
            messages.append(f"{name} {str(dense.dtype).removeprefix('torch.')}")
            return verb(model, *args, **kwargs)

        monkeypatch.setattr(base, name, run)

    for name in ("install_gates_", "prune_", "quantize_", "cast_"):
        watched(name)
    config = replace(tiny_config, pruning=Wanda(n_calibration=8), quantization=Nf4(), dtype="bf16")
    build_base(config, load_task(config.task, config.model), CPU)
    assert messages == [
        f"{name} float32" for name in ("install_gates_", "prune_", "quantize_", "cast_")
    ]


@pytest.mark.parametrize("quantization", [Nf4(), Int8()])
def test_casting_moves_all_but_what_is_packed(quantization: Any) -> None:
    model: Any = tiny_t5()
    shape = layout_of(model)
    quantize_(model, shape, quantization, "bf16", CPU)
    tied = model.get_input_embeddings().weight is model.encoder.embed_tokens.weight
    cast_(model, torch.bfloat16, AWAY)
    packed = {
        f"{linear.name}.weight"
        for linear in shape.linears
        if type(model.get_submodule(linear.name)) is not nn.Linear
    }
    assert packed
    for name, parameter in model.named_parameters():
        assert parameter.device == (CPU if name in packed else AWAY), name
        assert name in packed or parameter.dtype == torch.bfloat16, name
    assert (model.get_input_embeddings().weight is model.encoder.embed_tokens.weight) == tied


@pytest.mark.parametrize("family", ["t5", "bert"])
def test_one_layer_at_a_time_lends_its_weights(family: str) -> None:
    model: Any = tiny_t5() if family == "t5" else tiny_encoder("bert")
    model.requires_grad_(False)
    shape = layout_of(model)
    layers = {linear.name: model.get_submodule(linear.name) for linear in shape.linears}
    homes = {
        name: (layer.weight.data_ptr(), layer.weight.clone()) for name, layer in layers.items()
    }
    lent: list[tuple[str, int]] = []

    def look(name: str) -> Any:
        return lambda *_: lent.append(
            (name, sum(layer.weight.device == AWAY for layer in layers.values()))
        )

    # Without a mask, whose values would be looked at.
    given = {
        name: value.to(AWAY)
        for name, value in batch().items()
        if name in ("input_ids", "labels")[: 2 if family == "t5" else 1]
    }
    with lending(model, shape, AWAY):
        for name, layer in layers.items():
            layer.register_forward_pre_hook(look(name))
        model(**given)
        outside = [
            p for n, p in model.named_parameters() if n.removesuffix(".weight") not in layers
        ]
        assert {parameter.device for parameter in outside} == {AWAY}
    assert {name for name, _ in lent} == set(layers)
    assert {n for _, n in lent} == {1}
    for name, layer in layers.items():
        pointer, values = homes[name]
        assert layer.weight.data_ptr() == pointer
        assert torch.equal(layer.weight, values)
        assert len(layer._forward_hooks) == 0


def test_a_call_that_fails_gives_its_weights_back() -> None:
    model = tiny_t5().requires_grad_(False)
    shape = layout_of(model)
    layer: Any = model.get_submodule(shape.linears[0].name)
    with lending(model, shape, AWAY):
        with pytest.raises(RuntimeError):
            layer(torch.zeros(3, layer.in_features + 1, device=AWAY))
        assert layer.weight.device == CPU


@pytest.fixture(scope="module")
def gpu_bench() -> TorchTrialStarter:
    return TorchTrialStarterFactory(
        Evaluation(thresholds=(0.0, 0.05), objective_threshold=0.05, latency_repeats=1), n_bases=1
    )()


@pytest.mark.gpu
@pytest.mark.parametrize("quantization", [Unquantized(), Nf4(), Int8()])
@pytest.mark.parametrize(
    "pruning", [Magnitude(), Wanda(n_calibration=8), SparseGpt(n_calibration=8)]
)
def test_on_a_gpu_the_base_is_the_hosts_and_its_dense_form_was_never_there(
    gpu_bench: TorchTrialStarter, packaged_model: str, quantization: Any, pruning: Any
) -> None:
    config = TrialConfig(model=packaged_model, quantization=quantization, pruning=pruning)
    device, data = torch.device("cuda"), gpu_bench.data(config)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    away, here = build_base(config, data, device), build_base(config, data, CPU)
    assert {held.device.type for held in (*away.model.parameters(), *away.model.buffers())} == {
        "cuda"
    }
    assert torch.cuda.max_memory_allocated() - before < 4 * away.layout.n_parameters
    assert away.sparsity == pytest.approx(here.sparsity, abs=1e-3)
