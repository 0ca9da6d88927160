"""Tensors in a file come back bit for bit, over pages that processes share and none can change."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from deft_sweeps.trial.mapped_tensors import TensorPlace, map_tensors, stored_bytes, write_tensors

TENSORS = {
    "weights": torch.randn(37, 5),
    "halves": torch.randn(3, 33).bfloat16(),
    "packed": torch.randint(-128, 127, (65,), dtype=torch.int8),
    "ids": torch.arange(7)[None],
    "scalar": torch.tensor(2.5),
    "empty": torch.empty(0, 4),
    "turned": torch.randn(4, 6).T,
    "nan": torch.tensor([float("nan"), -0.0]),
}
WRITER = """
import json, sys
from pathlib import Path
from deft_sweeps.trial.mapped_tensors import TensorPlace, map_tensors
path, places = Path(sys.argv[1]), json.loads(sys.argv[2])
mapped = map_tensors(path, {name: TensorPlace.read(place) for name, place in places.items()})
for tensor in mapped.values():
    tensor.zero_()
assert not any(tensor.abs().sum() for tensor in mapped.values())
"""


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def test_every_tensor_comes_back_aligned_and_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "tensors"
    places = write_tensors(path, TENSORS)
    assert path.stat().st_size <= stored_bytes(TENSORS)
    read = {name: TensorPlace.read(place.written()) for name, place in places.items()}
    assert read == places
    mapped = map_tensors(path, read)
    assert list(mapped) == list(TENSORS)
    for name, tensor in TENSORS.items():
        assert (mapped[name].dtype, mapped[name].shape) == (tensor.dtype, tensor.shape)
        assert bits(mapped[name]) == bits(tensor)
        assert mapped[name].data_ptr() % 64 == 0 or not tensor.numel()
        # What copies one tensor's storage copies no other tensor.
        assert mapped[name].untyped_storage().nbytes() == tensor.nbytes


def test_what_one_process_writes_neither_the_file_nor_another_process_sees(tmp_path: Path) -> None:
    import json

    path = tmp_path / "tensors"
    places = write_tensors(path, TENSORS)
    before = path.read_bytes()
    mapped = map_tensors(path, places)
    written = json.dumps({name: place.written() for name, place in places.items()})
    subprocess.run([sys.executable, "-c", WRITER, str(path), written], check=True)
    assert path.read_bytes() == before
    assert all(bits(mapped[name]) == bits(TENSORS[name]) for name in TENSORS)
    mapped["weights"].fill_(1.0)  # Nor what this one writes.
    assert path.read_bytes() == before


def test_mapping_reads_nothing(tmp_path: Path) -> None:
    big = {"big": torch.zeros(2**25)}
    places = write_tensors(tmp_path / "big", big)
    mapped = map_tensors(tmp_path / "big", places)
    lines = Path("/proc/self/smaps").read_text().splitlines()
    here = next(i for i, line in enumerate(lines) if line.endswith(str(tmp_path / "big")))
    resident = next(line for line in lines[here:] if line.startswith("Rss:"))
    assert int(resident.split()[1]) * 1024 < 2**20 < mapped["big"].nbytes


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "no_such", "shape": [1], "start": 0},
        {"dtype": "save", "shape": [1], "start": 0},
        {"dtype": "float32", "shape": [1], "start": -4},
        {"dtype": "float32", "shape": ["x"], "start": 0},
        {"dtype": "float32", "shape": [1]},
    ],
)
def test_a_place_that_cannot_be_is_refused(entry: dict[str, object]) -> None:
    with pytest.raises((KeyError, ValueError)):
        TensorPlace.read(entry)


def test_a_file_that_is_too_short_is_refused(tmp_path: Path) -> None:
    places = write_tensors(tmp_path / "a", TENSORS)
    (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes()[:128])
    with pytest.raises(ValueError, match="too short"):
        map_tensors(tmp_path / "a", places)
    with pytest.raises(OSError, match="No such file"):
        map_tensors(tmp_path / "none", places)
