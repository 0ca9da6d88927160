"""Names and shapes of the tensors in a checkpoint's weight files, from their headers. Loads no
torch.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

WHOLE_FILE = "model.safetensors"
INDEX = "model.safetensors.index.json"

Shapes = Mapping[str, tuple[int, ...]]
"""Tensor's name to its shape."""

_FLOATS = ("F64", "F32", "F16", "BF16")
_AGAIN = "download or save it again"
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class WeightHeaders:
    """What the headers of a folder's weight files say.

    Attributes:
        shapes: of the tensors in every file that can be read.
        problems: a sentence each: files that are missing, cut short or damaged.
    """

    shapes: Shapes = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def has_weights(folder: Path) -> bool:
    """Whether the folder has weights under the names that transformers looks for."""
    return any((folder / name).is_file() for name in (WHOLE_FILE, INDEX))


def read_headers(folder: Path) -> WeightHeaders:
    """The headers of the files that a model is loaded from: one file, or the shards of an index."""
    names, problems = [WHOLE_FILE], list[str]()
    if not (folder / WHOLE_FILE).is_file():
        names, problems = _shards(folder / INDEX)
    absent = [name for name in names if not (folder / name).is_file()]
    if absent:
        more = f" and {len(absent) - _MOST_NAMED} more" if len(absent) > _MOST_NAMED else ""
        problems.append(
            f"{folder} lacks {', '.join(absent[:_MOST_NAMED])}{more}, of the {len(names)} weight"
            f" files that {INDEX} names; {_AGAIN}"
        )
    shapes: dict[str, tuple[int, ...]] = {}
    for name in names:
        if name not in absent:
            try:
                shapes |= _shapes(folder / name)
            except ValueError as error:
                problems.append(str(error))
    return WeightHeaders(shapes, tuple(problems))


def _shards(index: Path) -> tuple[list[str], list[str]]:
    try:
        document = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return [], [f"{index} cannot be read ({error}); {_AGAIN}"]
    weight_map = document.get("weight_map") if isinstance(document, dict) else None
    if not isinstance(weight_map, dict) or not weight_map:
        return [], [f"{index} has no weight_map, which names the files of the weights; {_AGAIN}"]
    if "metadata" not in document:  # transformers reads it, and takes an empty one.
        return [], [f'{index} has no metadata; write "metadata": {{}} beside its weight_map']
    names = list(dict.fromkeys(weight_map.values()))
    if not all(isinstance(name, str) and Path(name).name == name for name in names):
        return [], [f"the weight_map of {index} names no plain files; {_AGAIN}"]
    return sorted(names), []


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Of one file, whose header the library holds against the file's length.

    Raises:
        ValueError: it cannot be read; the message is a sentence.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            _check_types(path, {name: one.get_dtype() for name, one in slices.items()})
            return {name: tuple(one.get_shape()) for name, one in slices.items()}
    except (OSError, SafetensorError) as error:
        n_bytes = path.stat().st_size
        raise ValueError(
            f"{path} is cut short or damaged, {n_bytes:,} bytes ({error}); {_AGAIN}"
        ) from error


def _check_types(path: Path, types: Mapping[str, str]) -> None:
    """Weights and biases are floating-point numbers; packed ones have sentences of their own."""
    for name, dtype in types.items():
        if name.endswith((".weight", ".bias")) and dtype not in _FLOATS and dtype != "U8":
            raise ValueError(
                f"{path}: {name} holds numbers of the type {dtype}; weights are expected as"
                " float32, float16 or bfloat16"
            )
