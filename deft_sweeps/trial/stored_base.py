"""A frozen base as a folder: its tensors in one file, all else in JSON, and their checksums."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from deft_sweeps.axes.quantization.packed_layers import packed_tensors, restore_packed_
from deft_sweeps.cache import sha256_file
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.models.empty_model import empty_model, fill_
from deft_sweeps.trial.base import BaseKey, FrozenBase, shape_up_
from deft_sweeps.trial.mapped_tensors import TensorPlace, map_tensors, stored_bytes, write_tensors

TENSORS, DESCRIPTION, CHECKSUMS = "base.tensors", "base.json", "sha256sums"


class DamagedBaseError(ValueError):
    """A stored base is not what was written."""


def base_bytes(base: FrozenBase) -> int:
    """Size of the file of its tensors, in bytes."""
    return stored_bytes(_named_tensors(base))


def write_base(folder: Path, base: FrozenBase) -> None:
    """Write a base that is on the CPU into an empty folder.

    Raises:
        OSError: no room, or no right to write.
    """
    model: Any = base.model
    generation = getattr(model, "generation_config", None)
    places = write_tensors(folder / TENSORS, _named_tensors(base))
    description = {
        "config": json.loads(model.config.to_json_string(use_diff=False)),
        "generation": None if generation is None else generation.to_dict(),
        "tensors": {name: place.written() for name, place in places.items()},
        "shared": _shared_names(base),
        "pad_id": base.pad_id,
        "sparsity": base.sparsity,
        "revision": base.revision,
        "n_parameters": base.n_parameters,
    }
    (folder / DESCRIPTION).write_text(json.dumps(description), encoding="utf-8")
    sums = [f"{sha256_file(folder / name)}  {name}\n" for name in (TENSORS, DESCRIPTION)]
    (folder / CHECKSUMS).write_text("".join(sums), encoding="utf-8")


def check_base(folder: Path, *, tensors: bool) -> None:
    """Compare the files with their checksums.

    Args:
        folder: of the base.
        tensors: whether the tensors are read too, or the description alone.

    Raises:
        DamagedBaseError: one of them is another file than was written.
        OSError: one of them cannot be read.
    """
    lines = (folder / CHECKSUMS).read_text(encoding="utf-8", errors="replace").splitlines()
    expected = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    for name in (DESCRIPTION, *((TENSORS,) if tensors else ())):
        if sha256_file(folder / name) != expected.get(name):
            raise DamagedBaseError(f"{name} is not the file that was written")


def open_base(folder: Path, config: TrialConfig, key: BaseKey, lease: object) -> FrozenBase:
    """The base over the folder's tensors, which are mapped and not read.

    Args:
        folder: of a base with the same checkpoint, pruning, quantization and dtype.
        config: of the trial, whose dropout and gates the base gets.
        key: of the base.
        lease: see `FrozenBase`.

    Raises:
        DamagedBaseError: what was written does not fill the model.
        OSError: a file cannot be read.
    """
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        entries = description["tensors"].items()
        tensors = map_tensors(
            folder / TENSORS, {name: TensorPlace.read(entry) for name, entry in entries}
        )
        model = empty_model(description["config"])
        shape = shape_up_(model, config, torch.device("cpu"))
        if not config.quantization.is_none:
            packed = {name: tensor for name, tensor in tensors.items() if ":" in name}
            restore_packed_(model, shape, config.quantization, config.dtype, packed)
        _fill_(model, tensors, description["shared"])
        if description["generation"] is not None:
            model.generation_config = type(model.generation_config).from_dict(
                description["generation"]
            )
        return FrozenBase(
            key,
            model,
            shape,
            int(description["pad_id"]),
            description["sparsity"],
            description["revision"],
            int(description["n_parameters"]),
            lease,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedBaseError(" ".join(str(error).split())) from error


def _named_tensors(base: FrozenBase) -> dict[str, Tensor]:
    """Each tensor of the base once; those of packed layers have a colon in their names."""
    model, quantization = base.model, base.key.quantization
    packed = packed_tensors(model, base.layout, quantization)
    of_packed = {f"{linear.name}.weight" for linear in quantization.packed_linears(base.layout)}
    plain = {name: p.data for name, p in model.named_parameters() if name not in of_packed}
    return {**plain, **dict(model.named_buffers()), **packed}


def _shared_names(base: FrozenBase) -> dict[str, str]:
    """Further names of a parameter, with its first."""
    first = {id(parameter): name for name, parameter in base.model.named_parameters()}
    return {
        name: first[id(parameter)]
        for name, parameter in base.model.named_parameters(remove_duplicate=False)
        if first[id(parameter)] != name
    }


def _fill_(model: nn.Module, tensors: Mapping[str, Tensor], shared: Mapping[str, str]) -> None:
    buffers = {name for name, _ in model.named_buffers()}
    parameters = {
        name: nn.Parameter(tensor, requires_grad=False)
        for name, tensor in tensors.items()
        if ":" not in name and name not in buffers
    }
    parameters |= {name: parameters[first] for name, first in shared.items()}
    fill_(model, parameters, {name: tensors[name] for name in buffers})
