"""Runs one runtime of a bundle on some examples, alone in a fresh process."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deft_sweeps.deploy.answer_decoder import Outputs
from deft_sweeps.deploy.manifest import Manifest
from deft_sweeps.deploy.runtime import GeneratedText
from deft_sweeps.errors import BundleError
from deft_sweeps.tasks.examples import Example

_TIMEOUT_SEC = 6 * 3600


@dataclass(frozen=True, slots=True)
class RuntimeRun:
    """What one process measured.

    Attributes:
        costs: as `bench_process.measure` gives them.
        outputs: on all examples.
    """

    costs: dict[str, Any]
    outputs: Outputs


class RuntimeRunner:
    """Runs runtimes on the same examples, one after the other.

    Args:
        bundle: its folder.
        examples: one at least.
        n_threads: of each runtime.
        scratch: a folder for what the processes exchange.
        batch: texts of the requests that are timed besides those of 1 and 8; 0 for none.
    """

    def __init__(
        self,
        bundle: Path,
        examples: Sequence[Example],
        n_threads: int,
        scratch: Path,
        batch: int = 0,
    ) -> None:
        self._bundle, self._n_threads, self._batch = bundle, n_threads, batch
        self._request, self._response = scratch / "examples.json", scratch / "outputs.npz"
        rows = [{"text": one.text, "second": one.second} for one in examples]
        self._request.write_text(json.dumps(rows), encoding="utf-8")

    def run(self, runtime: str) -> RuntimeRun:
        """Measure one runtime.

        Args:
            runtime: name; `torch@0` is torch without a threshold.

        Raises:
            BundleError: it failed.
        """
        arguments = (self._bundle, runtime, self._n_threads, self._request, self._response)
        command = [sys.executable, "-m", "deft_sweeps.deploy.bench_process"]
        command += [*map(str, arguments), str(self._batch)]
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_SEC, check=False
        )
        if ended.returncode != 0:
            lines = ended.stderr.strip().splitlines() or ["it said nothing"]
            raise BundleError(f"the runtime {runtime} failed: {lines[-1][:300]}")
        return RuntimeRun(json.loads(ended.stdout.splitlines()[-1]), _outputs(self._response))


def reference_of(manifest: Manifest, example: Example) -> Any:
    """What is right for an example: a class's index, a number, or texts."""
    match manifest.task.kind:
        case "classification":
            return manifest.task.classes.index(example.label)
        case "regression":
            return float(example.label)
        case _:
            return list(example.answers)


def file_bytes(folder: Path, manifest: Manifest, needs: str) -> int:
    """Bytes of the files that a runtime opens.

    Args:
        folder: of the bundle.
        manifest: its own.
        needs: the exported format that the runtime computes; empty for torch.
    """
    parts = manifest.parts_of(needs)
    files = [name for name in manifest.files if name.split("/")[0] in parts]
    return sum((folder / name).stat().st_size for name in files)


def _outputs(path: Path) -> Outputs:
    with np.load(path, allow_pickle=False) as arrays:
        written, places = (json.loads(bytes(arrays[name])) for name in ("texts", "places"))
        n_scores = sum(name.startswith("score") for name in arrays.files)
        return Outputs(
            tuple(arrays["example"].tolist()),
            tuple(arrays[f"score{row}"] for row in range(n_scores)),
            tuple(GeneratedText(tuple(t["ids"]), t["mean"], t["empty"]) for t in written),
            tuple((begins, ends) for begins, ends in places),
        )
