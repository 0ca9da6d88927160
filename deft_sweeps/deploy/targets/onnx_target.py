"""ONNX graphs in float32, or with int8 weights: dynamic batch and lengths, threshold inside."""

import ast
import json
import logging
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deft_sweeps.config.axes import Int8
from deft_sweeps.config.layout import Layout
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.deploy.target import ExportJob, float32_and_int8
from deft_sweeps.deploy.targets.stated_difference import in_float32
from deft_sweeps.models.families import family_of

if TYPE_CHECKING:
    from torch import Tensor

    from deft_sweeps.trial.build import TrialModel

EXTRA = "onnx"

_SAMPLE = (3, 7)
"""Examples and tokens of the inputs that a program is traced with; any will do but 0 and 1, which
torch takes for fixed sizes."""


def _problems(config: TrialConfig, layout: Layout) -> tuple[str, ...]:
    return ()


def _differences(config: TrialConfig, threshold: float, *, int8: bool) -> tuple[str, ...]:
    lines = in_float32(config)
    if int8:
        lines.append(
            "stores most layers in int8 and rounds their inputs to int8, by the range of the whole"
            " batch; the output layer, and layers with extreme inputs, stay in float32"
        )
    return tuple(lines)


def _export(job: ExportJob, folder: Path, *, int8: bool) -> None:
    """Write `model.onnx`, or `encoder.onnx` and `decoder.onnx` of a model that writes."""
    from deft_sweeps.deploy.float32_model import float32_model
    from deft_sweeps.deploy.targets.onnx_program import (
        ClassProgram,
        DecoderProgram,
        EncoderProgram,
        HeadProgram,
    )

    copy = float32_model(job)
    layout = copy.base.layout
    inputs = _sample_inputs(copy)
    layers = {linear.name for linear in Int8().packed_linears(layout)} if int8 else None
    if job.n_outputs:
        _write(HeadProgram(copy.model), inputs, folder / "model.onnx", {}, layers)
        return
    if job.data.kind == "classification":
        program = ClassProgram(copy.model, layout, job.data.class_ids)
        classes = json.dumps([list(ids) for ids in job.data.class_ids])
        _write(program, inputs, folder / "model.onnx", {"class_ids": classes}, layers)
        return
    encoder, decoder = EncoderProgram(copy.model, layout), DecoderProgram(copy.model, layout)
    _write(encoder, inputs, folder / "encoder.onnx", {}, layers)
    settings: Any = decoder.model.config
    ids = {"start_id": settings.decoder_start_token_id, "end_id": settings.eos_token_id}
    tokens = {name: str(value) for name, value in ids.items()}
    _write(decoder, _step_inputs(encoder, inputs), folder / "decoder.onnx", tokens, layers)


def _sample_inputs(copy: "TrialModel") -> "dict[str, Tensor]":
    import torch

    n, n_tokens = _SAMPLE
    ids = torch.arange(n * n_tokens).reshape(n, n_tokens) % (copy.base.layout.vocab_size - 2) + 2
    mask = torch.ones_like(ids)
    mask[-1, -2:] = 0
    samples = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
    return {name: samples[name] for name in family_of(copy.base.layout).model_inputs}


def _step_inputs(encoder: Any, inputs: "dict[str, Tensor]") -> dict[str, Any]:
    """Of one decoder step over a few tokens."""
    import torch

    n = _SAMPLE[0]
    with torch.no_grad():
        encoded = encoder(**inputs)
    mask = encoded.pop("encoder_attention_mask")
    heads, size = encoded["cross.0.key"].shape[1], encoded["cross.0.key"].shape[3]
    past = {
        f"self.{i}.{part}": torch.zeros(n, heads, 4, size)
        for i in range(encoder.n_blocks)
        for part in ("key", "value")
    }
    cache = {name: value for name, value in encoded.items() if name.startswith("cross.")} | past
    ids = torch.full((n, 1), 2)
    return {"decoder_input_ids": ids, "encoder_attention_mask": mask, "cache": cache}


def _write(
    program: Any,
    inputs: dict[str, Any],
    path: Path,
    metadata: dict[str, str],
    int8_layers: Collection[str] | None,
) -> None:
    from transformers.exporters import OnnxConfig
    from transformers.exporters.exporter_onnx import OnnxExporter

    config = OnnxConfig(dynamic_shapes=_dynamic(inputs))
    with _quiet():
        graph = OnnxExporter().export(program.eval(), inputs, config).program
        if int8_layers is not None:
            graph = _with_int8(graph, inputs, int8_layers)
        graph.metadata_props.update(metadata)
        _forget_sources_(graph)
        OnnxExporter.save_program(graph, path)


def _with_int8(graph: Any, inputs: dict[str, Any], layers: Collection[str]) -> Any:
    """Store the token embedding and these linear layers in int8. An int8 output projection would
    round the scores themselves.
    """
    from transformers.exporters import OnnxRuntimeDynamicConfig, OnnxRuntimeQuantizer
    from transformers.exporters.configs import ExportFormat

    dense = [
        node.name
        for node in graph.graph.all_nodes()
        if node.op_type in ("MatMul", "Gemm") and not _belongs_to(node, layers)
    ]
    settings = OnnxRuntimeDynamicConfig(per_channel=True, nodes_to_exclude=dense)
    return OnnxRuntimeQuantizer(settings).quantize(graph, inputs, ExportFormat.ONNX)


def _belongs_to(node: Any, layers: Collection[str]) -> bool:
    scopes = ast.literal_eval(node.metadata_props.get("pkg.torch.onnx.name_scopes", "[]"))
    return any(
        scope == layer or scope.endswith(f".{layer}") for scope in scopes for layer in layers
    )


def _forget_sources_(graph: Any) -> None:
    """Take out which line of which file on this machine each node comes from."""
    for node in graph.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None


def _dynamic(inputs: dict[str, Any]) -> dict[str, Any]:
    """Which axes of each input vary."""
    from torch.export import Dim

    vary = Dim.DYNAMIC
    axes: dict[str, Any] = {name: {0: vary, 1: vary} for name in inputs}
    if "decoder_input_ids" in inputs:
        axes["decoder_input_ids"] = {0: vary}
        axes["cache"] = {name: {0: vary, 2: vary} for name in inputs["cache"]}
    return axes


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' notes on versions and operators that no user can act on; torch prints
    its progress to stdout, which is the command's own.
    """
    names = ("torch.onnx", "transformers", "onnxscript", "onnx_ir", "root")
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


ONNX, ONNX_INT8 = float32_and_int8(
    "onnx",
    "ONNX",
    extra=EXTRA,
    problems=_problems,
    differences=_differences,
    export=_export,
)
