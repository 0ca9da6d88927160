"""Tensors in one file, mapped into memory instead of read.

A mapping is private to its process: the pages of all processes are the same memory until one of
them writes, which gives that process a copy of the page. The file never changes. Each tensor starts
at a multiple of 64 bytes, as torch's own do, since kernels may round otherwise elsewhere.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class TensorPlace:
    """Where a tensor is in the file.

    Attributes:
        dtype: of torch, `bfloat16` say.
        shape: of the tensor.
        start: of its first byte.
    """

    dtype: str
    shape: tuple[int, ...]
    start: int

    @staticmethod
    def read(entry: Mapping[str, Any]) -> "TensorPlace":
        """From what `written` gives; a wrong entry raises KeyError, TypeError or ValueError."""
        place = TensorPlace(str(entry["dtype"]), tuple(map(int, entry["shape"])), entry["start"])
        if not isinstance(getattr(torch, place.dtype, None), torch.dtype) or place.start < 0:
            raise ValueError(f"no tensor is at {entry}")
        return place

    @property
    def n_bytes(self) -> int:
        """Of the tensor."""
        dtype: torch.dtype = getattr(torch, self.dtype)
        return int(torch.Size(self.shape).numel()) * dtype.itemsize

    def written(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def stored_bytes(tensors: Mapping[str, Tensor]) -> int:
    """Size of the file that `write_tensors` writes; no more than this."""
    return sum(_aligned(tensor.nbytes) for tensor in tensors.values()) + _ALIGNMENT


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, TensorPlace]:
    """Write the tensors, which are on the CPU, one after the other.

    Raises:
        OSError: no room, or no right to write.
    """
    places: dict[str, TensorPlace] = {}
    start = 0
    with path.open("wb") as file:
        for name, tensor in tensors.items():
            whole = tensor.detach().contiguous()
            dtype = str(whole.dtype).removeprefix("torch.")
            places[name] = TensorPlace(dtype, tuple(whole.shape), start)
            if whole.nbytes:
                file.write(whole.reshape(-1).view(torch.uint8).numpy().data)
            file.write(bytes(_aligned(whole.nbytes) - whole.nbytes))
            start += _aligned(whole.nbytes)
        file.write(bytes(_ALIGNMENT))  # An empty file cannot be mapped.
    return places


def map_tensors(path: Path, places: Mapping[str, TensorPlace]) -> dict[str, Tensor]:
    """The tensors over the file's pages; none is read here.

    Raises:
        ValueError: the file is too short for one of them.
        OSError: it cannot be opened.
    """
    n_bytes = path.stat().st_size
    if any(place.start + place.n_bytes > n_bytes for place in places.values()):
        raise ValueError(f"{path} is too short")
    try:
        storage = torch.UntypedStorage.from_file(str(path), False, n_bytes)
    except RuntimeError as error:  # torch's, also where the file is gone.
        raise OSError(str(error)) from error
    tensors = {}
    for name, place in places.items():
        # A storage of its own for each: what copies a tensor's storage copies no other's.
        part: Any = storage[place.start : place.start + place.n_bytes]
        flat = torch.empty(0, dtype=torch.uint8).set_(part)
        tensors[name] = flat.view(getattr(torch, place.dtype)).view(place.shape)
    return tensors


def _aligned(n_bytes: int) -> int:
    return -(-n_bytes // _ALIGNMENT) * _ALIGNMENT
