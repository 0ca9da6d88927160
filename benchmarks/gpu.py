"""Peak memory and time of a training step, measured beside what the planner projects.

    python -m benchmarks.gpu [--steps N] [--out FILE] [CASE ...]

For a GPU; without one the same runs on the CPU, where the projected time is of one core. Each case
runs in a fresh process. `large` is a T5 with the shape of Flan-T5-XL and random weights, which are
written to a temporary folder (11 GB in float32). The table is Markdown.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from deft_sweeps.config.axes import DensityLoss, Lora, Nf4, Training
from deft_sweeps.config.data import PackagedTask, Splits
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.models.checkpoints import load_tokenizer, read_config
from deft_sweeps.models.families import layout
from deft_sweeps.projection.sweep_projection import FLOPS_PER_CORE, FLOPS_PER_GPU
from deft_sweeps.projection.trial_estimate import estimate

WARM_UP = 2
"""Steps before those that are timed."""
EVALUATION = Evaluation(batch_size=16, thresholds=(0.0, 0.5), objective_threshold=0.5)
SMALL = TrialConfig(
    task=PackagedTask(splits=Splits(train=2000, validation=64, test=100)),
    peft=Lora(targets=("q", "v", "gate", "down")),
    density=DensityLoss(weight=1.0, eps=1e-2),
    training=Training(steps=100, batch_size=16),
)
XL_SHAPE: dict[str, int] = {
    "d_model": 2048,
    "d_kv": 64,
    "d_ff": 5120,
    "num_layers": 24,
    "num_decoder_layers": 24,
    "num_heads": 32,
}
CASES: dict[str, TrialConfig] = {
    "small": SMALL,
    "small in NF4": replace(SMALL, quantization=Nf4()),
    "large in NF4": replace(SMALL, quantization=Nf4()),
}
"""`large` ones get their model's path when it is written."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One case, measured or projected.

    Attributes:
        peak_bytes: above the process after its imports; on a GPU of its allocator.
        step_sec: mean over the timed steps.
    """

    peak_bytes: int
    step_sec: float


def write_random_t5(folder: Path, shape: dict[str, int]) -> Path:
    """Write a gated T5 of a shape, with random weights and the packaged model's tokenizer."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer: Any = load_tokenizer(SMALL.model)
    vocabulary = read_config(SMALL.model)["vocab_size"]
    config = T5Config(
        **shape,
        vocab_size=vocabulary,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        decoder_start_token_id=0,
    )
    torch.manual_seed(0)
    T5ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def measure(config: TrialConfig, n_steps: int) -> tuple[Reading, str]:
    """Train some steps and evaluate, in this process, which must be fresh.

    Returns:
        What was measured, and the device's name.
    """
    import torch

    from deft_sweeps.trial.cost import PeakMemory
    from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory

    starter = TorchTrialStarterFactory(EVALUATION, n_bases=1)()
    memory = PeakMemory(starter.device, starter.memory_floor)
    run = starter(config, 0)
    run.advance(WARM_UP)
    start = time.perf_counter()
    run.advance(n_steps)
    if starter.device.type == "cuda":
        torch.cuda.synchronize()
    step_sec = (time.perf_counter() - start) / n_steps
    run.finish()
    device = torch.cuda.get_device_name() if starter.device.type == "cuda" else "CPU, 1 thread"
    return Reading(memory.read(), step_sec), device


def projected(config: TrialConfig, *, on_gpu: bool) -> Reading:
    """What the planner says of the same."""
    rate = (FLOPS_PER_GPU if on_gpu else FLOPS_PER_CORE)[config.dtype]
    shape = layout(read_config(config.model))
    needs = estimate(config, shape, EVALUATION, rate, on_gpu=on_gpu)
    return Reading(needs.peak.highest, needs.train_sec / config.training.steps)


def row(name: str, config: TrialConfig, measured: Reading, device: str) -> str:
    """A line of the table."""
    planned = projected(config, on_gpu=not device.startswith("CPU"))
    peaks = [f"{one.peak_bytes / 2**20:.0f}" for one in (planned, measured)]
    times = [f"{1e3 * one.step_sec:.0f}" for one in (planned, measured)]
    ratios = (
        planned.peak_bytes / measured.peak_bytes,
        planned.step_sec / measured.step_sec,
    )
    cells = (name, device, *peaks, f"{ratios[0]:.2f}", *times, f"{ratios[1]:.2f}")
    return f"| {' | '.join(cells)} |"


HEAD = (
    "| case | device | peak MiB, projected | measured | ratio | ms a step, projected | measured"
    " | ratio |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
)


def in_fresh_process(name: str, model: str, n_steps: int) -> tuple[Reading, str]:
    """`measure` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.gpu", "--alone", model, "--steps", str(n_steps)]
    done = subprocess.run([*command, name], check=True, stdout=subprocess.PIPE, text=True)
    answer = json.loads(done.stdout.splitlines()[-1])
    return Reading(**answer["reading"]), answer["device"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=20, help="timed")
    parser.add_argument("--out", type=Path, metavar="FILE", help="receives the table too")
    parser.add_argument("--alone", metavar="MODEL", help=argparse.SUPPRESS)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    arguments = parser.parse_args()
    if arguments.alone:
        config = replace(CASES[arguments.cases[0]], model=arguments.alone)
        reading, device = measure(config, arguments.steps)
        print(json.dumps({"reading": asdict(reading), "device": device}))
        return
    lines = [HEAD]
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.cases or CASES:
            model = CASES[name].model
            if name.startswith("large"):
                model = str(write_random_t5(Path(folder) / "xl", XL_SHAPE))
            reading, device = in_fresh_process(name, model, arguments.steps)
            lines.append(row(name, replace(CASES[name], model=model), reading, device))
            print(lines[-1], flush=True)
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
