"""Compares ADA-DEFT, which removes MLP blocks, with the same DEFT that keeps all of them.

    python -m benchmarks.ada [--seeds 3] [--work FOLDER]

Each seed trains both variants of the packaged Flan-T5-small on the same examples in the same
order. Each saved model holds the weights of its own blocks only. It is measured in fresh processes
that never loaded other weights, and the models take turns. The work folder has one file per
finished part, so an interrupted run continues where it stopped. The defaults take about a quarter
of an hour on a quiet core.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from deft_sweeps.config.axes import AdaDeft, DensityLoss, Lora, Training
from deft_sweeps.config.data import PackagedTask, Splits
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.process_memory import resident_bytes
from deft_sweeps.report.table_cells import difference_text, skipped_text
from deft_sweeps.result import CompleteTrial, read_result
from deft_sweeps.statistics.paired_difference import paired_difference
from deft_sweeps.statistics.seed_mean import seed_mean
from deft_sweeps.store.atomic_file import write_atomically
from deft_sweeps.tasks.batches import collate
from deft_sweeps.trial.base import model_inputs
from deft_sweeps.trial.cost import PeakMemory, measure_latency, tensor_bytes
from deft_sweeps.trial.run import TorchTrialRun
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory
from deft_sweeps.trial.torch_starter import TorchTrialStarter

THRESHOLD = 0.01
ROWS = (
    ("weight_bytes", "MiB", 2**20),
    ("peak_memory_bytes", "MiB", 2**20),
    ("cpu_sec", "ms", 1e-3),
    ("latency_sec", "ms", 1e-3),
)


@dataclass(frozen=True, slots=True)
class Alone:
    """Costs of one model in a process of its own.

    Attributes:
        weight_bytes: size of its tensors.
        peak_memory_bytes: peak of loading and running it, above the process with its libraries.
        cpu_sec: median CPU time of a forward pass.
        latency_sec: median wall time of a forward pass.
    """

    weight_bytes: int
    peak_memory_bytes: int
    cpu_sec: float
    latency_sec: float


@dataclass(frozen=True, slots=True)
class TrialFiles:
    """The files of one trial in the work folder. Their names hold its trial_id."""

    folder: Path
    config: TrialConfig
    seed: int

    @property
    def result_path(self) -> Path:
        return self._path("json")

    @property
    def model_path(self) -> Path:
        """The saved model and the batch that is timed."""
        return self._path("pt")

    def alone_path(self, number: int) -> Path:
        return self._path(f"alone-{number}.json")

    def result(self) -> CompleteTrial:
        result = read_result(self.result_path.read_bytes())
        assert isinstance(result, CompleteTrial)
        return result

    def alone(self, rounds: int) -> list[Alone]:
        return [
            Alone(**json.loads(self.alone_path(number).read_bytes())) for number in range(rounds)
        ]

    def _path(self, ending: str) -> Path:
        return self.folder / f"{self.config.trial_id(self.seed)}.{ending}"


def train(starter: TorchTrialStarter, files: TrialFiles) -> None:
    """Trains one variant, saves the whole model, and measures its score and density."""
    run: Any = starter(files.config, files.seed)
    if not isinstance(run, TorchTrialRun):
        raise TypeError(type(run).__name__)
    run.advance(files.config.training.steps)
    rows = [run.data.validation[i] for i in range(8)]
    inputs, _ = model_inputs(
        collate(rows, run.data.class_ids, run.trial_model.base.pad_id), starter.device
    )
    torch.save({"model": run.trial_model.model.eval(), "inputs": inputs}, files.model_path)
    # Last: where it is, the model is whole.
    write_atomically(files.result_path, run.finish().to_json())


def measure(path: Path, repeats: int) -> Alone:
    """Measures the saved model in this process, which must be fresh."""
    import bitsandbytes  # noqa: F401
    import peft  # noqa: F401
    import transformers.models.t5.modeling_t5  # noqa: F401

    torch.set_num_threads(1)
    device = torch.device("cpu")
    memory = PeakMemory(device, resident_bytes())
    loaded = torch.load(path, weights_only=False, map_location=device)
    model, inputs = loaded["model"], loaded["inputs"]
    with torch.no_grad():
        latency = measure_latency(lambda: model(**inputs), repeats, device).median
        cpu = []
        for _ in range(repeats):
            start = time.process_time()
            model(**inputs)
            cpu.append(time.process_time() - start)
    return Alone(tensor_bytes(model), memory.read(), statistics.median(cpu), latency)


def measure_missing(all_files: Sequence[TrialFiles], rounds: int, repeats: int) -> None:
    for number in range(rounds):
        for files in all_files:
            if not files.alone_path(number).exists():
                command = [
                    sys.executable,
                    "-m",
                    "benchmarks.ada",
                    "--alone",
                    str(files.model_path),
                    "--repeats",
                    str(repeats),
                ]
                output = subprocess.run(
                    command, check=True, stdout=subprocess.PIPE, text=True
                ).stdout
                write_atomically(files.alone_path(number), output.splitlines()[-1].encode())


def summary(name: str, result: CompleteTrial) -> str:
    point = result.point_at(THRESHOLD)
    score, density = point.score, point.density
    rest = f" ({density.of_kept_blocks:.3f} over kept blocks)" if density.skipped else ""
    return (
        f"{name:9s} accuracy {score.value:.3f} ± {score.standard_error:.3f} (n = "
        f"{score.n_examples}), density {density.overall:.3f}{rest}"
    )


def print_scores(pairs: Sequence[tuple[TrialFiles, TrialFiles]]) -> None:
    differences = []
    for deft, ada in pairs:
        whole, skipped = deft.result(), ada.result()
        print(f"seed {deft.seed}")
        print(f"  {summary('DEFT', whole)}")
        print(f"  {summary('ADA-DEFT', skipped)}")
        print(
            f"  skipped {len(skipped.skipped)} of 8 + 8 MLP blocks: {skipped_text(skipped.skipped)}"
        )
        difference = paired_difference(
            skipped.point_at(THRESHOLD).example_scores, whole.point_at(THRESHOLD).example_scores
        )
        print(
            f"  ADA-DEFT minus DEFT: {difference_text(difference)}, paired by example, 95% "
            "interval over examples"
        )
        differences.append(
            skipped.point_at(THRESHOLD).score.value - whole.point_at(THRESHOLD).score.value
        )
    if len(differences) > 1:
        mean = seed_mean(differences)
        print(
            f"ADA-DEFT minus DEFT over {mean.n_seeds} seeds: {mean.value:+.3f} [{mean.low:+.3f}, "
            f"{mean.high:+.3f}], 95% interval over seeds"
        )


def print_costs(pairs: Sequence[tuple[TrialFiles, TrialFiles]], rounds: int) -> None:
    """Prints the mean over seeds of the ratio of medians over rounds."""
    print(f"ADA-DEFT / DEFT, each alone in a fresh process, {rounds} rounds")
    for field, unit, scale in ROWS:
        sides = [
            [
                statistics.median(getattr(one, field) for one in files.alone(rounds))
                for files in pair
            ]
            for pair in pairs
        ]
        ratios = [skipped / whole for whole, skipped in sides]
        whole, skipped = (statistics.fmean(side) for side in zip(*sides, strict=True))
        spread = f"{min(ratios):.3f} to {max(ratios):.3f} over seeds"
        print(
            f"{field:18s} {skipped / scale:8.1f} / {whole / scale:8.1f} {unit} = "
            f"{statistics.fmean(ratios):.3f}  ({spread})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--skip", type=int, default=4, help="MLP blocks that ADA-DEFT removes")
    parser.add_argument(
        "--validation",
        type=int,
        default=600,
        help="examples that score and density are measured on",
    )
    parser.add_argument("--rounds", type=int, default=5, help="fresh processes a model")
    parser.add_argument("--repeats", type=int, default=9, help="forward passes in each")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/ada"), help="folder of what is done"
    )
    parser.add_argument("--alone", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        print(json.dumps(asdict(measure(arguments.alone, arguments.repeats))))
        return
    deft = TrialConfig(
        task=PackagedTask(splits=Splits(validation=arguments.validation)),
        activation="relu",
        peft=Lora(targets=("q", "v", "gate", "down")),
        density=DensityLoss(weight=0.5, eps=1e-3),
        training=Training(steps=arguments.steps, batch_size=16, learning_rate=2e-3),
    )
    ada = replace(deft, adaptive=AdaDeft(skip=arguments.skip))
    arguments.work.mkdir(parents=True, exist_ok=True)
    pairs = [
        (TrialFiles(arguments.work, deft, seed), TrialFiles(arguments.work, ada, seed))
        for seed in range(arguments.seeds)
    ]
    all_files = [files for pair in pairs for files in pair]
    missing = [files for files in all_files if not files.result_path.exists()]
    if missing:
        starter = TorchTrialStarterFactory(
            Evaluation(thresholds=(0.0, THRESHOLD), objective_threshold=THRESHOLD), n_threads=1
        )()
        for files in missing:
            train(starter, files)
            print(f"trained {files.config.trial_id(files.seed)}", file=sys.stderr)
        del starter
    measure_missing(all_files, arguments.rounds, arguments.repeats)
    print(
        f"Flan-T5-small as packaged, {arguments.steps} steps, LoRA, bfloat16, 1 thread, "
        f"{arguments.seeds} seeds; threshold {THRESHOLD:g}; measured"
    )
    print_scores(pairs)
    print_costs(pairs, arguments.rounds)


if __name__ == "__main__":
    main()
