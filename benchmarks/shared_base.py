"""What a stored base saves: time until it is ready, and memory of one more trial.

    python -m benchmarks.shared_base [--layers 13] [CASE ...]

A T5 with random weights (hidden size 1024, MLP 2816, an output projection of its own) is the
checkpoint. For each case three processes load their libraries and examples first, and then

1. build the base for themselves, as without a store, and train a step;
2. build, store and map it, train a step, and stay;
3. map it while the second is still there, read all of it, and train a step.

`ready` is the time of 3 from the demand to the base, with the file in the page cache, beside the
time that 1 takes to build. Private memory (USS) and proportional memory (PSS) are those of 3, from
/proc/PID/smaps_rollup, above the same process before it had the base; what the trial adds to them
is its own. The exit code is 1 if a base of at least 850 MB keeps more than 6 % of itself private,
or if one that is pruned is not ready 50 times sooner than built.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from deft_sweeps.config.axes import Lora, Nf4, Training, Wanda
from deft_sweeps.config.data import PackagedTask, Splits
from deft_sweeps.config.trial import Evaluation, TrialConfig

LARGE_BYTES, MOST_PRIVATE, LEAST_RATIO = 850e6, 0.06, 50
WANDA = Wanda(n_calibration=16)
CASES: dict[str, dict[str, Any]] = {
    "bf16": {},
    "Wanda bf16": {"pruning": WANDA},
    "Wanda NF4": {"pruning": WANDA, "quantization": Nf4()},
}
DEFAULT = ("bf16", "Wanda bf16")
STEPS = 2


def config_of(case: str, model: str) -> TrialConfig:
    plain = TrialConfig(
        model=model,
        task=PackagedTask(splits=Splits(train=200, validation=64, test=20)),
        peft=Lora(targets=("q", "v")),
        training=Training(steps=STEPS, batch_size=4),
        dtype="bf16",
    )
    return replace(plain, **CASES[case])


def make_checkpoint(folder: Path, n_layers: int) -> None:
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    from deft_sweeps.models.checkpoints import load_tokenizer

    config = T5Config(
        vocab_size=32128,
        d_model=1024,
        d_ff=2816,
        d_kv=64,
        num_heads=16,
        num_layers=n_layers,
        num_decoder_layers=n_layers,
        feed_forward_proj="gated-gelu",
        decoder_start_token_id=0,
    )
    torch.manual_seed(0)
    model: Any = T5ForConditionalGeneration(config)
    model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight) * 0.02)
    config.tie_word_embeddings = False
    model.save_pretrained(folder)
    load_tokenizer("packaged/flan-t5-small-title").save_pretrained(folder)


def memory() -> dict[str, int]:
    """Private and proportional bytes of this process."""
    sizes = {"uss": 0, "pss": 0}
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in {"Private_Clean", "Private_Dirty"}:
            sizes["uss"] += int(rest.split()[0]) * 1024
        elif name == "Pss":
            sizes["pss"] = int(rest.split()[0]) * 1024
    return sizes


def measure(case: str, model: str, *, shared: bool) -> tuple[dict[str, Any], object]:
    """In this process, which must be fresh.

    Returns:
        What was measured, and what holds the base.
    """
    import bitsandbytes  # noqa: F401
    import torch
    import transformers.models.t5.modeling_t5  # noqa: F401

    from deft_sweeps.models.checkpoints import read_config
    from deft_sweeps.models.empty_model import empty_model
    from deft_sweeps.trial.cost import tensor_bytes
    from deft_sweeps.trial.freed_memory import give_back_freed
    from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory

    evaluation = Evaluation(batch_size=16, latency_repeats=1)
    starter = TorchTrialStarterFactory(evaluation, n_bases=1, shares_bases=shared)()
    config = config_of(case, model)
    data = starter.data(config)
    # What a library loads with its first model is loaded by every trial.
    empty_model({**read_config("packaged/flan-t5-small-title"), "num_layers": 1})
    give_back_freed()
    before = memory()
    start = time.perf_counter()
    base = starter.base(config, data)
    ready_sec = time.perf_counter() - start
    for tensor in (*base.model.parameters(), *base.model.buffers()):
        tensor.detach().reshape(-1).view(torch.uint8)[::512].max()
    give_back_freed()
    mapped = memory()
    starter(config, 0).advance(STEPS)
    give_back_freed()
    trained = memory()
    measured = {
        "is_mapped": base.lease is not None,
        "base_bytes": tensor_bytes(base.model),
        "ready_sec": ready_sec,
        "base": {name: mapped[name] - before[name] for name in before},
        "trial": {name: trained[name] - mapped[name] for name in before},
    }
    return measured, starter


def run_case(case: str, model: str, environment: dict[str, str]) -> dict[str, Any]:
    def begin(way: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "benchmarks.shared_base", "--alone", way, model, case]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)

    def answer(process: "subprocess.Popen[str]") -> dict[str, Any]:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                measured: dict[str, Any] = json.loads(line)
                return measured
        raise SystemExit(f"{case}: a process ended with code {process.wait()}")

    with begin("built") as alone:
        built = answer(alone)
        alone.communicate("\n")
    with begin("shared") as first, begin("waiting") as second:
        stored = answer(first)
        assert second.stdin is not None
        second.stdin.write("begin\n")
        second.stdin.flush()
        mapped = answer(second)
        first.communicate("\n")
        second.communicate("\n")
    return {"case": case, "built": built, "stored": stored, "mapped": mapped}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layers", type=int, default=13, help="of each stack")
    parser.add_argument("--alone", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}")
    arguments = parser.parse_args()
    if arguments.alone:
        way, model = arguments.alone
        if way == "waiting":
            sys.stdin.readline()
        measured, holder = measure(arguments.cases[0], model, shared=way != "built")
        print(json.dumps(measured), flush=True)
        sys.stdin.readline()  # Stays, with its base, until it is told.
        return 0 if holder else 1
    n_missed = 0
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        make_checkpoint(model, arguments.layers)
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "DEFT_SWEEPS_CACHE": f"{folder}/cache",
        }
        for case in arguments.cases or DEFAULT:
            row = run_case(case, str(model), environment)
            n_missed += _show(row)
    return 1 if n_missed else 0


def _show(row: dict[str, Any]) -> bool:
    """Prints a case; whether it misses a target."""
    built, stored, mapped = row["built"], row["stored"], row["mapped"]
    n_bytes = mapped["base_bytes"]
    ratio = built["ready_sec"] / mapped["ready_sec"]
    private = mapped["base"]["uss"] / n_bytes

    def mib(value: float) -> str:
        return f"{value / 2**20:.0f} MiB"

    print(
        f"{row['case']}: base {n_bytes / 1e6:.0f} MB, mapped: {mapped['is_mapped']}\n"
        f"  built in {built['ready_sec']:.2f} s, built and stored in {stored['ready_sec']:.2f} s,"
        f" ready in {mapped['ready_sec']:.3f} s: 1/{ratio:.0f}\n"
        f"  base in one more process: private {mib(mapped['base']['uss'])} ({private:.1%}),"
        f" proportional {mib(mapped['base']['pss'])}; built: private"
        f" {mib(built['base']['uss'])}\n"
        f"  the trial's own: private {mib(mapped['trial']['uss'])}, on a built base"
        f" {mib(built['trial']['uss'])}",
        flush=True,
    )
    is_large = n_bytes >= LARGE_BYTES
    is_late = "Wanda" in row["case"] and ratio < LEAST_RATIO
    return bool(not mapped["is_mapped"] or is_late or (is_large and private > MOST_PRIVATE))


if __name__ == "__main__":
    sys.exit(main())
