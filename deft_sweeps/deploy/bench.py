"""Every runtime of a bundle on the same test examples, each alone in a fresh process, side by side.

A runtime is compared with torch at the threshold that it runs at: the same predictor, so what
differs is the conversion. The score is compared with the trial's own test measurement: there the
threshold and the rounding count too.
"""

import os
import platform
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from deft_sweeps.config.trial import codec
from deft_sweeps.deploy.answer_decoder import AnswerDecoder, Outputs
from deft_sweeps.deploy.bundle_reader import open_tokenizer
from deft_sweeps.deploy.drift import Drift, score_drift, text_drift, tolerance_for
from deft_sweeps.deploy.manifest import Manifest, RuntimeReading
from deft_sweeps.deploy.manifest_file import check_files, read_manifest
from deft_sweeps.deploy.model_card import write_description
from deft_sweeps.deploy.runtime_run import RuntimeRunner, file_bytes, reference_of
from deft_sweeps.deploy.runtimes.runtime_kinds import RUNTIMES, available
from deft_sweeps.errors import ConfigError, DataError, Problem
from deft_sweeps.statistics.paired_difference import paired_difference
from deft_sweeps.tasks.check import read_splits
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.location import located_task

_UNTHRESHOLDED = "torch@0"


@dataclass(frozen=True, slots=True)
class _Job:
    folder: Path
    manifest: Manifest
    decoder: AnswerDecoder
    examples: Sequence[Example]
    references: Sequence[Any]
    n_threads: int


def bench(
    folder: Path,
    *,
    runtimes: Sequence[str] = (),
    n_examples: int | None = None,
    n_threads: int | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Manifest:
    """Measure a bundle's runtimes and record the readings in its manifest.

    Args:
        folder: of the bundle.
        runtimes: names; empty takes all that the bundle has files for.
        n_examples: of the test split, the first ones; None takes all.
        n_threads: of each runtime; None takes every core that this process may use.
        say: is told each step in a line.

    Raises:
        BundleError: the bundle is damaged, lacks a runtime, or a runtime failed.
        DataError: the test examples cannot be read here.
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    wanted = _wanted(manifest, runtimes)
    examples = _test_examples(manifest, n_examples)
    n = n_threads or len(os.sched_getaffinity(0))
    references = [reference_of(manifest, example) for example in examples]
    readings, decoder = [], AnswerDecoder(manifest, open_tokenizer(folder))
    with tempfile.TemporaryDirectory(prefix="deft-sweeps-bench-") as scratch:
        job = _Job(folder, manifest, decoder, examples, references, n)
        runner = RuntimeRunner(folder, examples, n, Path(scratch))
        outputs: dict[str, Outputs] = {}
        for name in _with_references(manifest, wanted):
            say(f"{name}: {len(examples)} test examples, alone, {n} threads")
            run = runner.run(name)
            outputs[name] = run.outputs
            if name in wanted:
                reading = _reading(job, name, run.costs, outputs)
                readings.append(reading)
                say(_told(reading))
    earlier = [one for one in manifest.runtimes if one.runtime not in wanted]
    return write_description(folder, replace(manifest, runtimes=(*earlier, *readings)))


def _wanted(manifest: Manifest, runtimes: Sequence[str]) -> tuple[str, ...]:
    has = available(manifest)
    problems = [
        Problem("--runtime", f"the bundle has no runtime {name!r}; it has {', '.join(has)}")
        for name in runtimes
        if name not in has
    ]
    if problems:
        raise ConfigError(problems)
    return tuple(runtimes) or has


def _with_references(manifest: Manifest, wanted: Sequence[str]) -> list[str]:
    """The runtimes to run, torch first, since the others are compared with it."""
    needs_zero = manifest.training.is_thresholded and any(
        not RUNTIMES[name].has_threshold for name in wanted
    )
    first = ["torch", _UNTHRESHOLDED] if needs_zero else ["torch"]
    return [*first, *(name for name in wanted if name != "torch")]


def _test_examples(manifest: Manifest, n_examples: int | None) -> list[Example]:
    if n_examples is not None and n_examples < 1:
        raise ConfigError([Problem("--examples", f"expected at least 1, got {n_examples}")])
    task = located_task(manifest.training.config.task, manifest.data_folder)
    try:
        test = read_splits(task).test
    except (OSError, DataError) as error:
        raise DataError(
            f"the test examples of {manifest.name} cannot be read here, where the data is not as"
            f" the sweep had it: {error}"
        ) from None
    n_test = manifest.splits.get("test", len(test))
    if len(test) != n_test:
        raise DataError(
            f"the test examples of {manifest.name} are not those of the sweep: {len(test)} here,"
            f" {n_test} there"
        )
    return list(test[:n_examples])


def _reading(
    job: _Job, name: str, measured: dict[str, Any], outputs: dict[str, Outputs]
) -> RuntimeReading:
    manifest, kind = job.manifest, RUNTIMES[name]
    is_thresholded = manifest.training.is_thresholded and kind.has_threshold
    alone = manifest.training.is_thresholded and not kind.has_threshold
    reference = outputs[_UNTHRESHOLDED if alone else "torch"]
    scored = job.decoder.scored(job.examples, job.references, outputs[name])
    difference = paired_difference(
        scored.example_scores.array(), manifest.test_scores.array()[: len(job.examples)]
    )
    drift = _drift(manifest, reference, outputs[name], is_thresholded, kind.is_rounded)
    document = measured | {
        "runtime": name,
        "threshold": max(manifest.training.gate_thresholds) if is_thresholded else 0.0,
        "metric": scored.score.metric,
        "score": scored.score.value,
        "standard_error": scored.score.standard_error,
        "n_examples": len(job.examples),
        "difference": None if difference is None else difference.value,
        "low": None if difference is None else difference.low,
        "high": None if difference is None else difference.high,
        "drift": {
            "largest": drift.largest_difference,
            "mean": drift.mean_difference,
            "changed": drift.changed_share,
            "reasons": drift.reasons,
        },
        "file_bytes": file_bytes(job.folder, manifest, kind.needs),
        "n_threads": job.n_threads,
        "machine": f"{platform.system()} {platform.machine()}",
    }
    reading: RuntimeReading = codec(RuntimeReading).validate_python(document)
    return reading


def _drift(
    manifest: Manifest, reference: Outputs, outputs: Outputs, thresholded: bool, rounded: bool
) -> Drift:
    # Of a model that was not merged, torch computes in the trial's dtype.
    is_rounded = rounded or not (manifest.is_merged or manifest.training.config.dtype == "fp32")
    tolerance = tolerance_for(rounded=is_rounded, thresholded=thresholded)
    if outputs.texts:
        return text_drift(reference.texts, outputs.texts, tolerance)
    is_span = manifest.task.kind == "span"
    return score_drift(_table(reference), _table(outputs), tolerance, over_tokens=is_span)


def _table(outputs: Outputs) -> np.ndarray:
    """All rows in one array, a span's padded to the longest with the lowest float."""
    longest = max(len(row) for row in outputs.scores)
    lowest = np.finfo(np.float32).min
    rows = []
    for row in outputs.scores:
        short = longest - len(row)
        rows.append(np.pad(row, [(0, short)] + [(0, 0)] * (row.ndim - 1), constant_values=lowest))
    return np.stack(rows)


def _told(reading: RuntimeReading) -> str:
    verdict = f"DRIFTS: {'; '.join(reading.drift.reasons)}" if reading.drifts else "no drift"
    return (
        f"{reading.runtime}: {reading.metric} {reading.score:.3f}, one text"
        f" {1e3 * reading.one.median:.3g} ms, {verdict}"
    )
