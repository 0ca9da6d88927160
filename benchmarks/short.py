"""Runs the short forms of the benchmarks and ends with one table.

    python -m benchmarks.short [NAME ...]

A benchmark that runs longer than its limit is stopped, and none begins once `--minutes` are over,
so the whole stays within them. What each one measures, and its full form, is in README.md.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

ROOT = Path(__file__).resolve().parents[1]
LIMIT_SEC = 240.0
PATIENCE_SEC = 15.0
VALUE_WIDTH = 160
FAILED, STOPPED, LEFT_OUT = "FAILED", "stopped at its limit", "left out: no time"


@dataclass(frozen=True, slots=True)
class Short:
    """A benchmark in a form of a minute or two.

    Attributes:
        name: of its module.
        claim: what its figure stands for, in a few words.
        arguments: that make it short; sizes and repetitions, never what is measured.
    """

    name: str
    claim: str
    arguments: tuple[str, ...] = ()


SHORT = (
    Short(
        "times",
        "measured over projected time of a trial",
        ("--rounds", "1", "--case", "LoRA bf16", "--case", "LoRA fp32"),
    ),
    Short("equal_density", "what the density loss gains at equal density"),
    Short("traffic", "checkpoints and reports of many trials at a time"),
    Short("answer", "how often the shipped choice keeps its limit", ("--draws", "100")),
    Short("correlation_size", "error rate of the test of correlations", ("--draws", "100")),
    Short("stopping", "projections about further budget", ("--searches", "40")),
    Short("proposals", "CPU time of a proposal"),
    Short("findings", "status, choose, report", ("--trials", "2000")),
    Short("step", "CPU time of a step, levers on / off", ("--rounds", "2")),
    Short("sparse_switch", "several tokens at once", ("--sizes", "small", "--seconds", "4")),
    Short("sparse", "MLP block by density", ("--sizes", "small", "--seconds", "4")),
    Short("sparse_models", "time of a generated token", ("small",)),
    Short("kills", "trials lost or doubled when drivers are killed", ("--rounds", "1")),
    Short("scale", "driver's CPU a trial", ("--trials", "200", "--sampler", "random")),
    Short("halving", "ranks for early stopping", ("--seeds", "2")),
    Short("fewer_thresholds", "what a front would lose", ("--draws", "100")),
    Short("growth", "a trial's time by examples and thresholds", ("--rounds", "1")),
    Short("time_to_front", "fewer and shorter trials", ("--trials", "30", "--seeds", "3")),
    Short("makespan", "a plain Ray Tune script beside this", ("--quick", "--script", "fresh")),
)


@dataclass(frozen=True, slots=True)
class Row:
    """Of the table.

    Attributes:
        value: the last line that the benchmark printed, or why it gave none.
        seconds: wall time.
    """

    short: Short
    value: str
    seconds: float

    @property
    def failed(self) -> bool:
        """Whether it ended with an error, or had to be stopped."""
        return self.value.startswith((FAILED, STOPPED))


def table(rows: Iterable[Row]) -> Iterator[str]:
    """The rows as Markdown."""
    yield "| benchmark | claim | last line | seconds |"
    yield "| --- | --- | --- | --- |"
    for row in rows:
        name = " ".join((row.short.name, *row.short.arguments))
        value = row.value.replace("|", "/")
        yield f"| {name} | {row.short.claim} | {value} | {row.seconds:.0f} |"


def last_line(output: str) -> str:
    """The last line with anything in it, cut to VALUE_WIDTH characters."""
    written = [line.strip() for line in output.splitlines() if line.strip()]
    value = written[-1] if written else "nothing printed"
    return value if len(value) <= VALUE_WIDTH else value[: VALUE_WIDTH - 3] + "..."


def run(short: Short, limit_sec: float) -> Row:
    """Runs a benchmark, its output shown as it comes."""
    print(f"== {' '.join((short.name, *short.arguments))}", flush=True)
    began = time.monotonic()
    lines: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-u", "-m", f"benchmarks.{short.name}", *short.arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        timer = Timer(limit_sec, _end, [process])
        timer.start()
        try:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                lines.append(line)
            code = process.wait()
        finally:  # Ctrl-C does not reach a process group of its own.
            timer.cancel()
            if process.poll() is None:
                _end(process)
    seconds = time.monotonic() - began
    value = last_line("".join(lines))
    if code:
        value = STOPPED if seconds >= limit_sec else f"{FAILED} ({code}): {value}"
    return Row(short, value, seconds)


def _end(process: subprocess.Popen[str]) -> None:
    """Ends a benchmark and its process group; by force if asking is no use."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_SEC)
            return
        os.killpg(process.pid, signal.SIGKILL)


def main() -> None:
    """Runs them, prints the table; exit code 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    # As Ctrl-C does: the benchmark that runs is ended before this program ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    names = [short.name for short in SHORT]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--minutes", type=float, default=20.0, help="for all of them")
    given = parser.parse_args()
    if unknown := sorted(set(given.names) - set(names)):
        parser.error(f"no benchmark {', '.join(unknown)}; choose of {', '.join(names)}")
    ends = time.monotonic() + 60 * given.minutes
    rows = []
    for short in SHORT:
        if given.names and short.name not in given.names:
            continue
        rest = ends - time.monotonic()
        rows.append(run(short, min(LIMIT_SEC, rest)) if rest > 0 else Row(short, LEFT_OUT, 0.0))
    print("", *table(rows), sep="\n")
    sys.exit(any(row.failed for row in rows))


if __name__ == "__main__":
    main()
