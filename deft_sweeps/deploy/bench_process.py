"""Measures one runtime of a bundle alone, in the process that runs this module.

    python -m deft_sweeps.deploy.bench_process BUNDLE RUNTIME THREADS EXAMPLES.json OUTPUTS.npz N

The last line on stdout is JSON. Loads no more than the runtime needs.
"""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deft_sweeps.deploy.answer_decoder import Outputs
from deft_sweeps.deploy.bundle_reader import open_runtime
from deft_sweeps.deploy.predictor import BATCH_SIZE, Predictor
from deft_sweeps.process_memory import forget_peak, peak_resident_bytes, resident_bytes
from deft_sweeps.statistics.call_time import call_times, latency_of, timed
from deft_sweeps.tasks.examples import Example

_WARM_UPS = 3
_ONE_CALLS, _EIGHT_CALLS = 40, 15
_TEXTS_FOR_TOKENS = 10


def measure(
    bundle: Path,
    runtime: str,
    n_threads: int,
    examples: Sequence[Example],
    outputs_path: Path,
    batch: int = 0,
) -> dict[str, Any]:
    """What a runtime costs, and its outputs on all examples into a file.

    Args:
        bundle: its folder.
        runtime: name; `torch@0` is torch without a threshold.
        n_threads: of the runtime.
        examples: to answer, one at least.
        outputs_path: of the npz to write.
        batch: texts a request, if requests of one size alone are asked for; 0 otherwise.

    Returns:
        The fields of `RuntimeReading` that one process can tell. With a `batch`, `latency` stands
        in place of the times: a `Latency` of requests of that size.
    """
    forget_peak()
    start = time.perf_counter()
    predictor = open_runtime(bundle, runtime, n_threads)
    predictor.outputs(examples[:1])
    load_sec = time.perf_counter() - start
    resident = resident_bytes()
    started, size = time.perf_counter(), batch or BATCH_SIZE
    outputs = predictor.outputs(examples, size)
    examples_per_sec = len(examples) / (time.perf_counter() - started)
    peak = peak_resident_bytes()
    save_outputs(outputs_path, outputs)
    costs = {
        "load_sec": load_sec,
        "resident_bytes": resident,
        "peak_bytes": peak,
        "examples_per_sec": examples_per_sec,
        "batch_size": size,
    }
    if batch:
        times = _requests(predictor, examples, batch, _ONE_CALLS)
        return costs | {"latency": asdict(latency_of(times))}
    return costs | {
        "one": asdict(call_times(_requests(predictor, examples, 1, _ONE_CALLS))),
        "eight": asdict(call_times(_requests(predictor, examples, 8, _EIGHT_CALLS))),
        "per_token": _per_token(predictor, examples, outputs),
    }


def save_outputs(path: Path, outputs: Outputs) -> None:
    """Write a runtime's outputs as arrays, without pickles."""
    arrays: dict[str, Any] = {f"score{row}": scores for row, scores in enumerate(outputs.scores)}
    written = [
        {"ids": list(t.token_ids), "mean": t.mean_log_probability, "empty": t.empty_log_probability}
        for t in outputs.texts
    ]
    np.savez(
        path,
        example=np.array(outputs.example),
        texts=as_bytes(written),
        places=as_bytes(outputs.places),
        **arrays,
    )


def as_bytes(value: object) -> NDArray[np.uint8]:
    """JSON in an array, which needs no pickle."""
    return np.frombuffer(json.dumps(value).encode(), dtype=np.uint8)


def _requests(
    predictor: Predictor, examples: Sequence[Example], size: int, n_calls: int
) -> list[float]:
    """Seconds of requests that each ask for other texts than the one before."""
    times = []
    for call in range(_WARM_UPS + n_calls):
        batch = [examples[(call * size + i) % len(examples)] for i in range(size)]
        took = timed(partial(_answer, predictor, batch))
        if call >= _WARM_UPS:
            times.append(took)
    return times


def _answer(predictor: Predictor, batch: Sequence[Example]) -> None:
    predictor.decoder.read(batch, predictor.outputs(batch))


def _per_token(
    predictor: Predictor, examples: Sequence[Example], outputs: Outputs
) -> dict[str, Any] | None:
    if not outputs.texts:
        return None
    times = []
    for example in examples[:_TEXTS_FOR_TOKENS]:
        start = time.perf_counter()
        written = predictor.outputs([example])
        took = time.perf_counter() - start
        times.append(took / sum(len(text.token_ids) + 1 for text in written.texts))
    return asdict(call_times(times))


def main() -> None:
    """Entry point of the process."""
    bundle, runtime, n_threads, examples_path, outputs_path, batch = sys.argv[1:]
    rows = json.loads(Path(examples_path).read_text(encoding="utf-8"))
    examples = [Example(row["text"], "", "", second=row["second"]) for row in rows]
    reading = measure(
        Path(bundle), runtime, int(n_threads), examples, Path(outputs_path), int(batch)
    )
    print(json.dumps(reading), flush=True)


if __name__ == "__main__":
    main()
