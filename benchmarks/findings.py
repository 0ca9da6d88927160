"""CPU time and memory of `status`, `choose` and `report` on a sweep of thousands of trials.

    python -m benchmarks.findings [--trials 10000] [--examples 400]

Writes a folder of made-up results and runs each command on it as a user would, in a process of its
own. Prints CPU time, peak memory, and the size of the report's page.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from deft_sweeps.config.axes import DensityLoss, Lora, Nf4, Training, Unquantized
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.outcomes import ExampleScores
from deft_sweeps.result import CompleteTrial, Cost, DensityReading, Point, Provenance, Score
from deft_sweeps.store.sweep_dir import SweepDir

THRESHOLDS = (0.0, 0.01, 0.2, 0.5)
SPEC = """\
name: scale
space:
  activation: [pretrained, relu]
  peft: [lora: {r: {low: 2, high: 64}}]
  density: [none, loss: {weight: {low: 0.01, high: 10.0, log: true}}]
  quantization: [none, nf4]
  training: {learning_rate: {low: 1.0e-5, high: 1.0e-1, log: true}}
choose: best activation_density where score >= baseline(peft) - 0.02
budget: {trials: 20000}
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--examples", type=int, default=400)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sweep = SweepDir(Path(folder))
        sweep.spec_path.write_text(SPEC)
        for i in range(arguments.trials):
            sweep.write(made_up(i, arguments.examples), durably=False)
        n_bytes = sum(path.stat().st_size for path in Path(folder).rglob("*.json"))
        print(
            f"{arguments.trials} results of {arguments.examples} examples, {n_bytes / 2**20:.0f} "
            "MiB"
        )
        for command in ("status", "choose", "report"):
            cpu_sec, n_peak = cost([sys.executable, "-m", "deft_sweeps", command, folder])
            page = (
                f", page {sweep.report_path.stat().st_size / 2**20:.1f} MiB"
                if command == "report"
                else ""
            )
            print(
                f"{command}: {cpu_sec:.1f} CPU s, {n_peak / 2**20:.0f} MiB at most{page}",
                flush=True,
            )


def cost(command: list[str]) -> tuple[float, int]:
    """CPU seconds and peak memory in bytes of a command that must succeed."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    errors = process.stderr.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(errors)
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def made_up(number: int, n_examples: int) -> CompleteTrial:
    """A complete trial whose score and density trade off, with the noise of its examples."""
    shared = np.random.default_rng([number // 3, 1])  # Two DEFT trials and their plain twin.
    config = TrialConfig(
        activation="relu" if number and shared.random() < 0.5 else "pretrained",
        peft=Lora(r=int(shared.integers(2, 65))),
        quantization=Nf4() if number and shared.random() < 0.5 else Unquantized(),
        training=Training(learning_rate=float(10 ** shared.uniform(-5, -1))),
    )
    rng = np.random.default_rng([number, 2])
    if number % 3:
        config = replace(config, density=DensityLoss(weight=float(10 ** rng.uniform(-2, 1))))
    weight = config.density.weight if isinstance(config.density, DensityLoss) else 0.0
    off = abs(np.log10(config.training.learning_rate) + 3)
    return CompleteTrial(
        config=config,
        seed=0,
        points=tuple(point(rng, t, weight, off, config.activation, n_examples) for t in THRESHOLDS),
        cost=Cost(
            label="proxy",
            trainable_parameters=344_064,
            total_parameters=77_300_000,
            weight_bytes=85_000_000 if isinstance(config.quantization, Nf4) else 155_000_000,
            weight_sparsity=0.0,
            peak_memory_bytes=900_000_000,
            latency_sec=float(0.03 * rng.uniform(1, 2)),
            build_time_sec=1.0,
            train_time_sec=40.0,
            evaluate_time_sec=9.0,
        ),
        provenance=Provenance(
            packages={"torch": "2.13.0"},
            commit="",
            python="3.11",
            device="cpu",
            n_threads=1,
            dataset_fingerprint="made-up",
            checkpoint_revision="made-up",
        ),
        started_at=float(number),
        finished_at=float(number) + 50.0,
    )


def point(
    rng: np.random.Generator, threshold: float, weight: float, off: float, activation: str, n: int
) -> Point:
    expected = 0.85 - 0.04 * off**2 - 0.02 * weight**0.5 - 0.03 * threshold
    right = rng.random(n) < float(np.clip(expected, 0.02, 0.98))
    value = float(right.mean())
    overall = 0.9 / (1 + weight) / (1 + 4 * threshold) * (0.5 if activation == "relu" else 1.0)
    blocks = np.clip(overall * rng.uniform(0.8, 1.2, 16), 0, 1)
    return Point(
        threshold=threshold,
        score=Score(
            metric="accuracy",
            value=value,
            n_examples=n,
            standard_error=(value * (1 - value) / n) ** 0.5,
        ),
        loss=1.0 - value,
        density=DensityReading(
            encoder_blocks=tuple(blocks[:8].tolist()), decoder_blocks=tuple(blocks[8:].tolist())
        ),
        example_scores=ExampleScores.of(right.astype(float).tolist()),
    )


if __name__ == "__main__":
    main()
