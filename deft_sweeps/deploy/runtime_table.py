"""The table "one trial, several runtimes", for console and model card."""

from deft_sweeps.deploy.manifest import Manifest, RuntimeReading
from deft_sweeps.report.report_table import ReportTable, Row
from deft_sweeps.statistics.call_time import CallTimes
from deft_sweeps.units import size

_HEADS = (
    "runtime",
    "threshold",
    "score",
    "density",
    "minus the sweep's",
    "drift: largest, changed",
    "files",
    "resident",
    "peak",
    "one text, median (p95)",
    "eight texts",
    "a token, median (p95)",
    "texts / s",
)


def runtime_table(manifest: Manifest) -> ReportTable:
    """One row a runtime that was measured."""
    rows = tuple(Row(_cells(manifest, reading)) for reading in manifest.runtimes)
    return ReportTable("Runtimes", _HEADS, rows, note=_note(manifest))


def not_certified(manifest: Manifest) -> tuple[str, ...]:
    """What the certificate does not cover, a sentence a runtime."""
    if not manifest.answer.certified:
        return ()
    return tuple(
        f"{reading.runtime}: not certified; its score differs from the certified computation's by"
        f" {_difference(reading)} on {reading.n_examples} test examples"
        for reading in manifest.runtimes
        if reading.difference is not None and reading.runtime != manifest.answer.runtime
    )


def _cells(manifest: Manifest, reading: RuntimeReading) -> tuple[str, ...]:
    drift, token = reading.drift, reading.per_token
    verdict = "DRIFTS, " if reading.drifts else ""
    return (
        reading.runtime,
        _place(manifest, reading),
        f"{reading.score:.3f} ± {reading.standard_error:.3f}",
        "-" if reading.density is None else f"{reading.density:.3f}",
        _difference(reading),
        f"{verdict}{drift.largest:.2g}, {100 * drift.changed:.2g} %",
        size(reading.file_bytes),
        size(reading.resident_bytes),
        size(reading.peak_bytes),
        _milliseconds(reading.one),
        f"{1e3 * reading.eight.median:.1f} ms",
        "-" if token is None else _milliseconds(token),
        f"{reading.examples_per_sec:.1f}",
    )


def _place(manifest: Manifest, reading: RuntimeReading) -> str:
    """The threshold, or `p0.5` for the blocks' own thresholds at that percentile."""
    percentile = manifest.training.percentile
    by_block = percentile is not None and reading.threshold > 0
    return f"p{percentile:g}" if by_block else f"{reading.threshold:g}"


def _milliseconds(times: CallTimes) -> str:
    return f"{1e3 * times.median:.1f} ms ({1e3 * times.p95:.1f})"


def _difference(reading: RuntimeReading) -> str:
    if reading.difference is None or reading.low is None or reading.high is None:
        return "-"
    return f"{reading.difference:+.3f} [{reading.low:+.3f}, {reading.high:+.3f}]"


def _note(manifest: Manifest) -> str:
    if not manifest.runtimes:
        return ""
    first = manifest.runtimes[0]
    writes = any(reading.per_token is not None for reading in manifest.runtimes)
    return (
        f"measured, each alone in a fresh process, {first.n_threads} threads, {first.machine}, on"
        f" {first.n_examples} test examples; resident and peak count the libraries; one text:"
        f" median of {first.one.n_calls} requests, tokenising included; density: activation density"
        " of torch at the same threshold"
        f"{'' if writes else '; no time a token, since this task writes no text'}"
    )
