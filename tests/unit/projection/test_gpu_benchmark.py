"""The benchmark for GPUs, on the CPU with a tiny model: nothing here is claimed of a GPU."""

from dataclasses import replace
from pathlib import Path

from benchmarks import gpu
from tests.tiny import SHAPE


def test_it_measures_a_model_of_a_shape_beside_its_projection(tmp_path: Path) -> None:
    shape = {name: size for name, size in SHAPE.items() if name != "vocab_size"}
    model = str(gpu.write_random_t5(tmp_path / "tiny", shape))
    config = replace(gpu.CASES["large in NF4"], model=model)
    measured, device = gpu.in_fresh_process("large in NF4", model, 1)
    assert device == "CPU, 1 thread"
    assert measured.peak_bytes > 0
    assert measured.step_sec > 0
    cells = gpu.row("tiny", config, measured, device).strip("| ").split(" | ")
    assert len(cells) == gpu.HEAD.splitlines()[0].count("|") - 1
    planned = gpu.projected(config, on_gpu=False)
    assert cells[4] == f"{planned.peak_bytes / measured.peak_bytes:.2f}"
    assert gpu.projected(config, on_gpu=True).step_sec < planned.step_sec
