"""What ADA-DEFT buys on the packaged Flan-T5-small: a model whose closed MLP blocks are gone, beside the same DEFT with all of them.

    .venv/bin/python benchmarks/ada.py

Both train the same steps on the same examples. Each saved model, which holds the weights of its kept blocks only, is then measured
alone in processes of its own that never saw the other weights; the two models take turns, and the ratios are those of the medians.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from deft_sweeps.config.axes import AdaDeft, DensityLoss, Lora, Training
from deft_sweeps.config.data import PackagedTask, Splits
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.front import paired_difference
from deft_sweeps.report.cells import difference_text, skipped_text
from deft_sweeps.result import TrialResult
from deft_sweeps.tasks.batches import collate
from deft_sweeps.trial.base import model_inputs
from deft_sweeps.trial.cost import PeakMemory, median_latency_sec, resident_bytes, tensor_bytes
from deft_sweeps.trial.run import Bench, BenchMaker, Run

ROUNDS = 5
REPEATS = 9
STEPS = 60
THRESHOLD = 0.01
DEFT = TrialConfig(
    task=PackagedTask(splits=Splits(validation=600)),
    activation="relu",
    peft=Lora(targets=("q", "v", "gate", "down")),
    density=DensityLoss(weight=0.5, eps=1e-3),
    training=Training(steps=STEPS, batch_size=16, learning_rate=2e-3),
)
ADA = replace(DEFT, adaptive=AdaDeft(skip=4))


@dataclass(frozen=True, slots=True)
class Alone:
    """One model in a process of its own."""

    weight_bytes: int
    peak_memory_bytes: int
    latency_sec: float
    cpu_sec: float


def train(bench: Bench, config: TrialConfig, into: Path) -> TrialResult:
    """Train, save the whole model with the batch that is timed, and measure score and density."""
    run: Any = bench(config, 0)
    if not isinstance(run, Run):
        raise TypeError(type(run).__name__)
    run.advance(STEPS)
    rows = [run.data.validation[i] for i in range(8)]
    inputs, _ = model_inputs(collate(rows, run.data.class_ids, run.built.base.pad_id), bench.device)
    torch.save({"model": run.built.model.eval(), "inputs": inputs}, into)
    return run.finish()


def measure(path: Path) -> Alone:
    """Peak memory of loading and running the model, above the process with its libraries; median latency and CPU time of a forward pass."""
    import bitsandbytes  # noqa: F401
    import peft  # noqa: F401
    import transformers.models.t5.modeling_t5  # noqa: F401

    torch.set_num_threads(1)
    device = torch.device("cpu")
    memory = PeakMemory(device, resident_bytes())
    loaded = torch.load(path, weights_only=False, map_location=device)
    model, inputs = loaded["model"], loaded["inputs"]
    with torch.no_grad():
        latency = median_latency_sec(lambda: model(**inputs), REPEATS, device)
        cpu = []
        for _ in range(REPEATS):
            start = time.process_time()
            model(**inputs)
            cpu.append(time.process_time() - start)
    return Alone(tensor_bytes(model), memory.read(), latency, statistics.median(cpu))


def measure_alone(path: Path) -> Alone:
    told = subprocess.run([sys.executable, __file__, str(path)], check=True, capture_output=True, text=True).stdout
    return Alone(**json.loads(told.splitlines()[-1]))


def told(name: str, result: TrialResult) -> str:
    point = result.point_at(THRESHOLD)
    score, density = point.score, point.density
    kept = f" ({density.kept:.3f} over kept blocks)" if density.skipped else ""
    return (
        f"{name:9s} accuracy {score.value:.3f} ± {score.standard_error:.3f} (n = {score.n_examples}), density {density.overall:.3f}{kept}"
    )


def main() -> None:
    print(f"Flan-T5-small as packaged, {STEPS} steps, LoRA, bfloat16, 1 thread, one seed; threshold {THRESHOLD:g}; measured")
    bench = BenchMaker(Evaluation(thresholds=(0.0, THRESHOLD), objective_threshold=THRESHOLD), n_threads=1)()
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / "deft.pt", Path(folder) / "ada.pt"]
        deft, ada = (train(bench, config, path) for config, path in zip((DEFT, ADA), paths, strict=True))
        print(told("DEFT", deft))
        print(told("ADA-DEFT", ada))
        print(f"{'':9s} skipped {len(ada.skipped)} of 8 + 8 MLP blocks: {skipped_text(ada.skipped)}")
        difference = paired_difference(ada.point_at(THRESHOLD).example_scores, deft.point_at(THRESHOLD).example_scores)
        print(f"{'':9s} ADA-DEFT minus DEFT: {difference_text(difference)}, paired by example, 95% interval")
        pairs = [(measure_alone(paths[0]), measure_alone(paths[1])) for _ in range(ROUNDS)]
    for field, unit, scale in (
        ("weight_bytes", "MiB", 2**20),
        ("peak_memory_bytes", "MiB", 2**20),
        ("latency_sec", "ms", 1e-3),
        ("cpu_sec", "ms", 1e-3),
    ):
        whole, skipped = ([getattr(alone, field) for alone in side] for side in zip(*pairs, strict=True))
        each = [b / a for a, b in zip(whole, skipped, strict=True)]
        a, b = statistics.median(whole), statistics.median(skipped)
        print(f"{field:18s} {b / scale:8.1f} / {a / scale:8.1f} {unit} = {b / a:.3f}  ({min(each):.3f} to {max(each):.3f})")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(asdict(measure(Path(sys.argv[1])))))
    else:
        main()
