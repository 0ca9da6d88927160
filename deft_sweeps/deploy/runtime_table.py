"""The table "one trial, several runtimes", for console and model card."""

from deft_sweeps.deploy.manifest import Manifest, RuntimeReading
from deft_sweeps.report.report_table import ReportTable, Row
from deft_sweeps.units import size

_HEADS = (
    "runtime",
    "threshold",
    "score",
    "minus the sweep's",
    "drift: largest, changed",
    "files",
    "resident",
    "peak",
    "one text, median (p95)",
    "eight texts",
    "a token",
    "texts / s",
)


def runtime_table(manifest: Manifest) -> ReportTable:
    """One row a runtime that was measured."""
    rows = tuple(Row(_cells(reading)) for reading in manifest.runtimes)
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


def _cells(reading: RuntimeReading) -> tuple[str, ...]:
    drift, one, token = reading.drift, reading.one, reading.per_token
    verdict = "DRIFTS, " if reading.drifts else ""
    return (
        reading.runtime,
        f"{reading.threshold:g}",
        f"{reading.score:.3f} ± {reading.standard_error:.3f}",
        _difference(reading),
        f"{verdict}{drift.largest:.2g}, {100 * drift.changed:.2g} %",
        size(reading.file_bytes),
        size(reading.resident_bytes),
        size(reading.peak_bytes),
        f"{1e3 * one.median:.1f} ms ({1e3 * one.p95:.1f})",
        f"{1e3 * reading.eight.median:.1f} ms",
        "-" if token is None else f"{1e3 * token.median:.2f} ms",
        f"{reading.examples_per_sec:.1f}",
    )


def _difference(reading: RuntimeReading) -> str:
    if reading.difference is None or reading.low is None or reading.high is None:
        return "-"
    return f"{reading.difference:+.3f} [{reading.low:+.3f}, {reading.high:+.3f}]"


def _note(manifest: Manifest) -> str:
    if not manifest.runtimes:
        return ""
    first = manifest.runtimes[0]
    return (
        f"measured, each alone in a fresh process, {first.n_threads} threads, {first.machine}, on"
        f" {first.n_examples} test examples; resident and peak count the libraries; one text:"
        f" median of {first.one.n_calls} requests, tokenising included"
    )
