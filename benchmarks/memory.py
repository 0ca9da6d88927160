"""Compares the planner's peak memory with the measured peak of real trials.

    python -m benchmarks.memory [--unseen] [--mapped] [--json] [CASE ...]

Each case trains some steps and evaluates once, in a fresh process. The planner's constants were
fitted to the cases without `--unseen`. The cases with it differ from them in method, batch, length
or pattern, and nothing was fitted to them.

The measured peak is the system's high-water mark from the loading of the model to the end of the
evaluation, minus the memory of the process after its imports. The predicted one is `Estimate.peak`
of the same configuration. The exit code is 1 if a case is off by more than 15 %.

With `--mapped`, a process before the measured one stores the base, which the measured one maps: as
every trial of a sweep but the first that needs it. The projection is of the first.

glibc gives the same trial a peak that differs by several per cent between runs. Trainings in
bfloat16 on the CPU need the default number of steps: after four (`--steps 4`) they are below their
peak, since each new length of a batch fragments the heap further.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import replace

from deft_sweeps.config.axes import (
    AdaDeft,
    AdaLora,
    Adapter,
    DensityLoss,
    Fp4,
    Ia3,
    Int8,
    Lora,
    Magnitude,
    Nf4,
    Oft,
    PrefixTuning,
    PromptTuning,
    PTuning,
    SparseGpt,
    Training,
    Vera,
    Wanda,
)
from deft_sweeps.config.data import PackagedTask, Splits
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.models.checkpoints import read_config
from deft_sweeps.models.families import layout
from deft_sweeps.projection.trial_estimate import estimate

TOLERANCE = 0.15
STEPS = 60
EVALUATION = Evaluation(batch_size=64, thresholds=(0.0, 0.01))
_LORA = Lora(targets=("q", "v", "gate", "down"))
_DEFT = DensityLoss(weight=1.0, eps=1e-2)
_T5 = TrialConfig(
    task=PackagedTask(splits=Splits(train=2000, validation=128, test=100)),
    peft=_LORA,
    training=Training(steps=100),
)
_BERT = replace(_T5, model="packaged/minilm-l6")


def _batch(size: int) -> Training:
    return replace(_T5.training, batch_size=size)


CASES: dict[str, TrialConfig] = {
    "T5 LoRA fp32 4": replace(_T5, dtype="fp32", training=_batch(4)),
    "T5 LoRA fp32 16": replace(_T5, dtype="fp32"),
    "T5 LoRA bf16 16": _T5,
    "T5 LoRA bf16 32 relu": replace(_T5, activation="relu", training=_batch(32)),
    "T5 LoRA bf16 32 relu density loss": replace(
        _T5, activation="relu", density=_DEFT, training=_batch(32)
    ),
    "T5 LoRA bf16 16 NF4": replace(_T5, quantization=Nf4()),
    "T5 LoRA fp32 32 NF4": replace(_T5, dtype="fp32", quantization=Nf4(), training=_batch(32)),
    "T5 LoRA bf16 8 int8": replace(_T5, quantization=Int8(), training=_batch(8)),
    "T5 LoRA bf16 16 Wanda": replace(_T5, pruning=Wanda()),
    "T5 DoRA fp32 16": replace(_T5, dtype="fp32", peft=replace(_LORA, dora=True)),
    "T5 adapter bf16 32": replace(_T5, peft=Adapter(), training=_batch(32)),
    "T5 adapter bf16 8 NF4 SparseGPT": replace(
        _T5, peft=Adapter(), quantization=Nf4(), pruning=SparseGpt(), training=_batch(8)
    ),
    "T5 prompt 60 bf16 16": replace(_T5, peft=PromptTuning(virtual_tokens=60)),
    "T5 IA3 fp32 4": replace(_T5, dtype="fp32", peft=Ia3(), training=_batch(4)),
    "MiniLM LoRA fp32 32": replace(_BERT, dtype="fp32", training=_batch(32)),
    "MiniLM adapter bf16 16 NF4 density loss": replace(
        _BERT, peft=Adapter(), quantization=Nf4(), density=_DEFT
    ),
}

_TARGETS = _LORA.targets
UNSEEN: dict[str, TrialConfig] = {
    "T5 IA3 bf16 24": replace(_T5, peft=Ia3(), training=_batch(24)),
    "T5 VeRA bf16 12": replace(_T5, peft=Vera(targets=_TARGETS), training=_batch(12)),
    "T5 OFT fp32 8": replace(_T5, dtype="fp32", peft=Oft(targets=_TARGETS), training=_batch(8)),
    "T5 prefix bf16 16": replace(_T5, peft=PrefixTuning()),
    "T5 p-tuning bf16 16 FP4": replace(_T5, peft=PTuning(), quantization=Fp4()),
    "T5 AdaLoRA bf16 16 density loss": replace(_T5, peft=AdaLora(targets=_TARGETS), density=_DEFT),
    "T5 LoRA bf16 64 in 4 parts": replace(_T5, training=replace(_batch(64), accumulation=4)),
    "T5 LoRA bf16 8 length 24": replace(
        _T5, task=replace(_T5.task, max_input_tokens=24), training=_batch(8)
    ),
    "T5 LoRA fp32 8 length 96": replace(
        _T5, dtype="fp32", task=replace(_T5.task, max_input_tokens=96), training=_batch(8)
    ),
    "T5 LoRA bf16 16 magnitude 2:4": replace(_T5, pruning=Magnitude(pattern="2:4")),
    "T5 LoRA fp32 16 FP4": replace(_T5, dtype="fp32", quantization=Fp4()),
    "T5 LoRA bf16 16 ADA-DEFT": replace(
        _T5, activation="relu", density=_DEFT, adaptive=AdaDeft(skip=4)
    ),
    "MiniLM IA3 bf16 24 magnitude 2:4": replace(
        _BERT, peft=Ia3(), pruning=Magnitude(pattern="2:4"), training=_batch(24)
    ),
    "MiniLM AdaLoRA fp32 64 in 2 parts": replace(
        _BERT,
        dtype="fp32",
        peft=AdaLora(targets=_TARGETS),
        training=replace(_batch(64), accumulation=2),
    ),
}


def measure(name: str, steps: int, *, mapped: bool) -> dict[str, int]:
    """Peak bytes after each phase, measured in this process, which must be fresh.

    Args:
        name: of the case.
        steps: trained before the evaluation.
        mapped: whether the base is mapped if it is stored, and else stored.
    """
    # Every trial imports these: they must count as imported before memory is measured.
    import bitsandbytes  # noqa: F401
    import sklearn.metrics  # noqa: F401
    import transformers.models.bert.modeling_bert
    import transformers.models.t5.modeling_t5  # noqa: F401

    from deft_sweeps.trial.run import TorchTrialRun
    from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory

    starter = TorchTrialStarterFactory(EVALUATION, n_bases=1, shares_bases=mapped)()
    run = starter((CASES | UNSEEN)[name], 0)
    assert isinstance(run, TorchTrialRun)
    trial_model = run.memory.held()
    run.advance(steps)
    trained = run.memory.held()
    run.finish()
    return {"build": trial_model, "train": trained, "peak": run.memory.held()}


def predict(config: TrialConfig) -> dict[str, int]:
    """Peak bytes after each phase, as the planner projects them."""
    needs = estimate(config, layout(read_config(config.model)), EVALUATION, 1.0).peak
    return {"build": needs.build, "train": needs.train, "peak": needs.highest}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--unseen", action="store_true", help="the cases that no constant was fitted to"
    )
    parser.add_argument("--steps", type=int, default=STEPS, help="trained before the evaluation")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--mapped", action="store_true", help="map a base that is stored before")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("cases", nargs="*", metavar="CASE")
    arguments = parser.parse_args()
    if arguments.alone:
        print(json.dumps(measure(arguments.cases[0], arguments.steps, mapped=arguments.mapped)))
        return 0
    rows = []
    for name in arguments.cases or (UNSEEN if arguments.unseen else CASES):
        alone = [
            sys.executable,
            "-m",
            "benchmarks.memory",
            "--alone",
            "--steps",
            str(arguments.steps),
            *(["--mapped"] if arguments.mapped else []),
            name,
        ]
        if arguments.mapped:
            storing = ["1" if part == str(arguments.steps) else part for part in alone]
            subprocess.run(storing, check=True, stdout=subprocess.DEVNULL)
        done = subprocess.run(alone, check=True, stdout=subprocess.PIPE, text=True)
        measured = json.loads(done.stdout.splitlines()[-1])
        predicted = predict((CASES | UNSEEN)[name])
        ratio = predicted["peak"] / measured["peak"]
        rows.append({"case": name, "predicted": predicted, "measured": measured, "ratio": ratio})
        if not arguments.json:
            peaks = (
                f"{predicted['peak'] / 2**20:6.0f} MiB predicted {measured['peak'] / 2**20:6.0f} "
                "MiB measured"
            )
            print(
                f"{name:42s} {peaks}  {ratio:.2f}{'' if abs(ratio - 1) <= TOLERANCE else '  off'}",
                flush=True,
            )
    n_off = sum(abs(row["ratio"] - 1) > TOLERANCE for row in rows)
    if arguments.json:
        print(json.dumps({"tolerance": TOLERANCE, "n_off": n_off, "cases": rows}, indent=1))
    else:
        print(f"{len(rows) - n_off} of {len(rows)} within {TOLERANCE:.0%}")
    return 1 if n_off else 0


if __name__ == "__main__":
    sys.exit(main())
