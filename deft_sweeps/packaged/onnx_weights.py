"""Float32 weights under T5's names in transformers, from a dynamically quantized ONNX export."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = dict[str, NDArray[np.float32]]


def read_encoder(path: Path) -> Weights:
    """Weights of the encoder graph, named `encoder.`, and the embedding as `shared.weight`."""
    weights = _read(path, "enc.", "encoder.")
    weights["shared.weight"] = weights.pop("encoder.embed_tokens.weight")
    return weights


def read_decoder(path: Path) -> Weights:
    """Weights of the decoder graph: `decoder.` names and `lm_head.weight`.

    Its copy of the embedding is left out: `read_encoder` has it.
    """
    weights = _read(path, "m.", "")
    del weights["shared.weight"]
    return weights


def _read(path: Path, prefix: str, become: str) -> Weights:
    import onnx
    from onnx.numpy_helper import to_array

    graph = onnx.load(path).graph
    stored = {tensor.name: to_array(tensor) for tensor in graph.initializer}
    weights: Weights = {}
    for name, array in stored.items():
        if not name.startswith(prefix):
            continue
        if name.endswith("weight_quantized"):
            stem = name.removesuffix("_quantized")
            weights[become + stem.removeprefix(prefix)] = _dequantize(
                array,
                stored[f"{stem}_scale"],
                stored[f"{stem}_zero_point"],
            )
        elif name.endswith("layer_norm.weight"):
            weights[become + name.removeprefix(prefix)] = array.astype(np.float32)
    for node in graph.node:
        if node.op_type == "MatMulInteger" and node.input[1] in stored:
            # The exporter named these tensors by number; the node's name is the module's path:
            # /enc/block.0/.../q/MatMul_quant.
            stem = node.input[1].removesuffix("_quantized")
            module = ".".join(node.name.strip("/").split("/")[:-1]) + ".weight"
            weight = _dequantize(
                stored[node.input[1]],
                stored[f"{stem}_scale"],
                stored[node.input[3]],
            )
            # ONNX multiplies x @ W, a linear layer x @ W.T
            weights[become + module.removeprefix(prefix)] = np.ascontiguousarray(weight.T)
    return weights


def _dequantize(
    quantized: NDArray[Any],
    scale: NDArray[Any],
    zero_point: NDArray[Any],
) -> NDArray[np.float32]:
    return (quantized.astype(np.float32) - zero_point.astype(np.float32)) * scale.astype(np.float32)
