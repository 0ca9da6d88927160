"""The frozen base: everything of a trial that does not train, built once and shared by the trials
that agree on it.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from deft_sweeps.axes.activation.gate import Gates, find_gates, install_gates_
from deft_sweeps.axes.pruning import Calibration, prune_
from deft_sweeps.axes.quantization.packed_layers import TORCH_DTYPES, quantize_
from deft_sweeps.axes.t5_norm import fuse_norms_
from deft_sweeps.axes.token_mask import Masks
from deft_sweeps.config.axes import Activation, Dtype, Pruning, Quantization
from deft_sweeps.config.layout import Layout
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.models import checkpoints
from deft_sweeps.models.families import layout
from deft_sweeps.tasks.batches import Batch, collate
from deft_sweeps.tasks.task_data import TaskData


@dataclass(frozen=True, slots=True)
class BaseKey:
    """What a frozen base depends on; two trials with equal keys share it. Calibration examples are
    the first of the training split, so that the trial's seed is not part of it.
    """

    model: str
    task_fingerprint: str
    activation: Activation
    pruning: Pruning
    quantization: Quantization
    dtype: Dtype
    device: str
    base_dropout: float

    @staticmethod
    def of(config: TrialConfig, task_fingerprint: str, device: torch.device) -> "BaseKey":
        """The key of a configuration's base; data count only if pruning looks at them."""
        fingerprint = task_fingerprint if config.pruning.needs_calibration else ""
        return BaseKey(
            config.checkpoint,
            fingerprint,
            config.activation,
            config.pruning,
            config.quantization,
            config.dtype,
            str(device),
            config.base_dropout,
        )


@dataclass(frozen=True, slots=True)
class FrozenBase:
    """A model that no trial may write to.

    Attributes:
        model: in evaluation mode, gates installed, pruned and quantized.
        layout: where its blocks are.
        pad_id: padding token.
        sparsity: share of zeros of each prunable layer, by name.
        revision: of the checkpoint.
        n_parameters: counted before quantization packs them; each tensor once.
        lease: keeps the file that the tensors are mapped from, while it lives; None if they are in
            memory.
    """

    key: BaseKey
    model: nn.Module
    layout: Layout
    pad_id: int
    sparsity: dict[str, float]
    revision: str
    n_parameters: int
    lease: object = None

    def fork(self) -> tuple[nn.Module, Gates]:
        """A tree of modules of its own over the base's tensors: what a trial does to its modules,
        the next trial never sees.
        """
        shared: dict[int, Any] = {}
        for tensor in (*self.model.parameters(), *self.model.buffers()):
            shared[id(tensor)] = tensor
        for module in self.model.modules():
            state = getattr(module, "quant_state", None)
            if state is not None:
                shared[id(state)] = state
            # An int8 layer keeps its weights and scales once more in a state of its own, which each
            # fork needs for itself.
            packed = getattr(module, "state", None)
            held = (getattr(packed, "CB", None), getattr(packed, "SCB", None))
            shared |= {id(part): part for part in held if part is not None}
        model = copy.deepcopy(self.model, memo=shared)
        for parent in model.modules():
            for child in parent.parameters(recurse=False):
                # bitsandbytes' parameter keeps a reference to the module that it was made for; the
                # one in the base stays in force.
                child.requires_grad_(False)
        return model, find_gates(model, self.layout)


def build_base(config: TrialConfig, data: TaskData | None, device: torch.device) -> FrozenBase:
    """Load dense, swap the activation, prune, quantize or cast: the one legal order.

    Args:
        config: of the trial.
        data: of its task, whose first training examples pruning looks at; None will do where
            nothing is pruned by them.
        device: of the base.

    The dense weights stay in the host's memory; what goes to a GPU is final: each layer as it is
    packed, all else in the trial's dtype. Pruning computes on the GPU, with the dense weights of
    one layer at a time (`lending`).

    Raises:
        CheckpointError: the checkpoint cannot be used.
    """
    model: Any = checkpoints.load_model(config.checkpoint, "fp32")
    pad_id = int(model.config.pad_token_id)
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    shape = shape_up_(model, config, device)
    sparsity = (
        {} if config.pruning.is_none else _prune(model, shape, config.pruning, data, pad_id, device)
    )
    if not config.quantization.is_none:
        quantize_(model, shape, config.quantization, config.dtype, device)
    cast_(model, TORCH_DTYPES[config.dtype], device)
    key = BaseKey.of(config, "" if data is None else data.fingerprint, device)
    return FrozenBase(
        key, model, shape, pad_id, sparsity, checkpoints.revision(config.checkpoint), n_parameters
    )


def shape_up_(model: Any, config: TrialConfig, device: torch.device) -> Layout:
    """Freeze a loaded or empty model, and give it the configuration's dropout and gates.

    Args:
        model: of transformers.
        config: of the trial.
        device: where the model is going to run.

    Returns:
        Where its blocks are.
    """
    if device.type == "cpu":
        # torch's fused attention is the slower one here: a bfloat16 LoRA step over 48 tokens takes
        # a sixth longer with it.
        model.set_attn_implementation("eager")
        fuse_norms_(model)
    model.eval().requires_grad_(False)
    shape = layout(model.config.to_dict())
    set_dropout_(model, config.base_dropout)
    install_gates_(model, shape, config.activation)
    return shape


def model_inputs(batch: Batch, device: torch.device) -> tuple[dict[str, Any], Masks]:
    """The arguments of a teacher-forced forward pass, and which positions are real in each
    stack.
    """
    inputs: dict[str, Any] = {
        "input_ids": batch.input_ids.to(device),
        "attention_mask": batch.attention_mask.to(device),
    }
    if batch.token_type_ids is not None:
        inputs["token_type_ids"] = batch.token_type_ids.to(device)
    if batch.labels is None:
        return inputs, Masks(inputs["attention_mask"], None)
    inputs["labels"] = batch.labels.to(device)
    return {**inputs, "use_cache": False}, Masks(
        inputs["attention_mask"], (inputs["labels"] != -100).long()
    )


def set_dropout_(model: nn.Module, p: float) -> None:
    """Set every dropout of the base."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = p
        if isinstance(getattr(module, "dropout", None), float):
            module.dropout = p  # type: ignore[assignment]


def cast_(model: nn.Module, dtype: torch.dtype, device: torch.device | None = None) -> None:
    """Cast every floating-point parameter and buffer that is not packed, one after the other, and
    move all that is not packed to `device` where one is given.
    """

    def cast(tensor: Tensor) -> Tensor:
        # Cast before it goes over, so that the device never holds it in float32.
        return tensor.to(
            device=device or tensor.device,
            dtype=dtype if tensor.is_floating_point() else tensor.dtype,
        )

    _change_(model, lambda parameter: type(parameter) is nn.Parameter, cast)


def _change_(
    model: nn.Module, which: Callable[[nn.Parameter], bool], change: Callable[[Tensor], Tensor]
) -> None:
    """Put changed tensors in place of every buffer and of the parameters asked for; what modules
    share, they share afterwards.
    """
    changed: dict[int, tuple[nn.Parameter, nn.Parameter]] = {}
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if id(parameter) not in changed and which(parameter):
                old = parameter.data
                new = change(old)
                if new is old:
                    continue
                # Kept, so that its id stays its own, but not its weights.
                parameter.data = old.new_empty(0)
                changed[id(parameter)] = (
                    parameter,
                    nn.Parameter(new, requires_grad=parameter.requires_grad),
                )
            if id(parameter) in changed:
                setattr(module, name, changed[id(parameter)][1])
        for name, buffer in list(module.named_buffers(recurse=False)):
            setattr(module, name, change(buffer))


@contextmanager
def lending(model: nn.Module, shape: Layout, device: torch.device) -> Iterator[None]:
    """Let `model` run on `device` while the weights of its blocks' linear layers stay where they
    are: each lends its own for the time of its call. All else goes over, and stays.
    """
    layers: list[Any] = [model.get_submodule(linear.name) for linear in shape.linears]
    lent = {id(layer.weight) for layer in layers}
    _change_(model, lambda parameter: id(parameter) not in lent, lambda tensor: tensor.to(device))
    hooks = []
    for layer in layers:

        def give(layer: Any, _: object, home: nn.Parameter) -> None:
            layer.weight = nn.Parameter(home.data.to(device), requires_grad=False)

        def take_back(layer: Any, *_: object, home: nn.Parameter) -> None:
            layer.weight = home

        hooks.append(layer.register_forward_pre_hook(partial(give, home=layer.weight)))
        hooks.append(
            layer.register_forward_hook(partial(take_back, home=layer.weight), always_call=True)
        )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _prune(
    model: nn.Module,
    shape: Layout,
    pruning: Pruning,
    data: TaskData | None,
    pad_id: int,
    device: torch.device,
) -> dict[str, float]:
    if not pruning.needs_calibration:
        return prune_(model, shape, pruning, device=device)
    if data is None:
        raise ValueError(f"expected training examples, which {pruning.label} looks at")
    n = min(pruning.calibration_examples, len(data.train))
    batch = collate([data.train[i] for i in range(n)], data.class_ids, pad_id)
    inputs, masks = model_inputs(batch, device)
    calibration = Calibration(lambda: model(**inputs), masks)
    with lending(model, shape, device):
        return prune_(model, shape, pruning, calibration, device)
