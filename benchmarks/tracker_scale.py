"""Cost of mirroring into an MLflow server on PostgreSQL, and whether every run is there once.

    python -m benchmarks.tracker_scale --trials 1000 --sweeps 4
    python -m benchmarks.tracker_scale --trials 0

Sweeps of one name run at once. Their trials are made in closed form and stored directly; each
sweep's mirrors are the real process. Server and PostgreSQL are real, and on this machine. Then
`doctor` compares store, study mirror and MLflow.

With --trials 0 only a trial's cost is measured: one process computes steps of a fixed size, as nice
as Ray's workers, while mirrors that have much to do are held and let go in turn. The ratio of its
step times is what the tracker costs a trial on a machine with a free core. The server, which is
another machine's in truth, yields to all else.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, median

from deft_sweeps.folder_check.folder_examination import examine_folder
from deft_sweeps.result import StepMetrics, TrialResult, read_result
from deft_sweeps.store.stored_spec import stored_spec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep.follower import Follower
from tests.fakes import fake_result, fake_weights
from tests.searched_folder import note, search
from tests.servers.played_drive import runs_at, yaml_of
from tests.servers.postgresql import PostgreSQL, missing
from tests.servers.tracking_server import TrackingServer

N_STEPS = 20
MOST_STEP_RATIO = 1.02
"""Requirement: a step's time with mirrors at work over that without."""
BLOCK_SEC, N_BLOCKS = 3.0, 10
TICKS = os.sysconf("SC_CLK_TCK")
STEPPER = """
import os, time
import numpy as np
os.nice(15)
a = np.random.default_rng(0).random((400, 400))
while True:
    began = time.monotonic()
    for _ in range(4):
        a @ a
    print(began, time.monotonic() - began, flush=True)
"""


@dataclass(frozen=True, slots=True)
class Mirrored:
    """One sweep's end.

    Attributes:
        nudge_sec: mean CPU time that the driver spent on telling of a result.
        longest_nudge_sec: longest such time.
        cpu_sec: of the mirrors' process.
        is_level: whether the mirrors said that they have all results.
    """

    nudge_sec: float
    longest_nudge_sec: float
    cpu_sec: float
    is_level: bool


def cpu_sec(pid: int) -> float:
    """CPU time of a process so far; 0 of one that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def cpu_of_group(pid: int) -> float:
    """CPU time of the processes in a process group."""
    groups = [path for path in Path("/proc").iterdir() if path.name.isdecimal()]
    return sum(cpu_sec(int(path.name)) for path in groups if _group(int(path.name)) == pid)


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return 0


def made(root: Path, uri: str) -> SweepDir:
    """A sweep's folder with a spec, and no result yet."""
    sweep, _ = search(root, 6, yaml_of("scale", uri))
    for trial_id in sweep.trial_ids():
        sweep.result_path(trial_id).rename(root / f"{trial_id}.template")
    return sweep


def stored(sweep: SweepDir, n_trials: int) -> Iterator[TrialResult]:
    """Results, each once it is stored with its steps and weights."""
    configs = [read_result(p.read_bytes()).config for p in sorted(sweep.root.glob("*.template"))]
    steps = [
        StepMetrics(
            step=step, task_loss=1 / step, density_loss=0.5, grad_norm=1.0, learning_rate=1e-3
        )
        for step in range(1, N_STEPS + 1)
    ]
    for i in range(n_trials):
        result = fake_result(configs[i % len(configs)], i, started_at=time.time() - 10)
        sweep.add_steps(result.trial_id, steps)
        sweep.weights_path(result.trial_id).write_bytes(fake_weights(result.trial_id))
        sweep.write(result, durably=False)
        yield result


def mirror(sweep: SweepDir, n_trials: int) -> Mirrored:
    """Stores and mirrors trials of one sweep, as fast as it goes."""
    follower = Follower(sweep, stored_spec(sweep), print)
    nudges = []
    for result in stored(sweep, n_trials):
        began = time.thread_time()  # The other sweeps' threads are no part of it.
        follower.nudge(result.trial_id)
        nudges.append(time.thread_time() - began)
    pid, spent_sec = follower.pid, 0.0
    with ThreadPoolExecutor(1) as closing:
        closed = closing.submit(follower.close, patience_sec=600.0)
        while not closed.done():
            spent_sec = max(spent_sec, cpu_sec(pid))
            time.sleep(0.2)
    sweep.write_note(note("finished", n_trials))
    return Mirrored(fmean(nudges), max(nudges), spent_sec, closed.result())


def step_ratio(server: TrackingServer, sweep: SweepDir, n_trials: int) -> tuple[float, float, int]:
    """Median and mean time of a step with the mirrors and the server at work over that while they
    are held, and the number of steps.
    """
    for _ in stored(sweep, n_trials):
        pass
    follower = Follower(sweep, stored_spec(sweep), print)
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", STEPPER]
    stepper = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    blocks: list[tuple[float, float, bool]] = []
    try:
        for i in range(N_BLOCKS):
            is_at_work = i % 2 == 0
            number = signal.SIGCONT if is_at_work else signal.SIGSTOP
            os.kill(follower.pid, number)
            server.send(number)
            began = time.monotonic()
            time.sleep(BLOCK_SEC)
            blocks.append((began, time.monotonic(), is_at_work))
    finally:
        server.send(signal.SIGCONT)
        os.kill(follower.pid, signal.SIGCONT)
        stepper.kill()
        follower.close(patience_sec=600.0)
    assert stepper.stdout is not None
    times: dict[bool, list[float]] = {True: [], False: []}
    for line in stepper.stdout:
        if len(parts := line.split()) == 2:
            at, took = float(parts[0]), float(parts[1])
            for began, ended, is_at_work in blocks:
                if began <= at and at + took <= ended:
                    times[is_at_work].append(took)
    n = len(times[True]) + len(times[False])
    return (
        median(times[True]) / median(times[False]),
        fmean(times[True]) / fmean(times[False]),
        n,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000, help="of each sweep; 0: steps only")
    parser.add_argument("--sweeps", type=int, default=4, help="at once")
    arguments = parser.parse_args()
    if reason := missing():
        sys.exit(reason)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    niceness = 0 if arguments.trials else 19
    with (
        tempfile.TemporaryDirectory() as folder,
        PostgreSQL() as database,
        TrackingServer(
            database.url(), Path(folder) / "server", n_workers=2, niceness=niceness
        ) as server,
    ):
        signal.signal(signal.SIGTERM, partial(_end, server, database))
        if arguments.trials:
            measure(server, Path(folder), arguments.sweeps, arguments.trials)
        else:
            measure_steps(server, Path(folder))


def _end(server: TrackingServer, database: PostgreSQL, *_: object) -> None:
    """Ends the servers with this process, whose threads may wait for long."""
    server.kill()
    database.__exit__(None, None, None)
    os._exit(1)


def measure(server: TrackingServer, folder: Path, n_sweeps: int, n_trials: int) -> None:
    """Prints the figures."""
    sweeps = [made(folder / str(i), server.uri) for i in range(n_sweeps)]
    before, began = cpu_of_group(server.pid), time.monotonic()
    with ThreadPoolExecutor(n_sweeps) as threads:
        ends = list(threads.map(mirror, sweeps, [n_trials] * n_sweeps))
    wall_sec, n = time.monotonic() - began, n_sweeps * n_trials
    parents, children = runs_at(server.uri, "scale")
    names = Counter((c.data.tags["mlflow.parentRunId"], c.data.tags["trial_id"]) for c in children)
    statuses = Counter(run.info.status for run in (*parents, *children))
    print(f"{n_sweeps} sweeps of {n_trials} trials: {wall_sec:.0f} s, {n / wall_sec:.1f} trials/s")
    print(f"runs of sweeps {len(parents)}, of trials {len(names)} of {n}, statuses {statuses}")
    print(f"doubled {sum(count - 1 for count in names.values())}")
    print(f"level: {[end.is_level for end in ends]}")
    mirror_ms = 1000 * sum(end.cpu_sec for end in ends) / n
    server_ms = 1000 * (cpu_of_group(server.pid) - before) / n
    print(f"CPU per trial: mirrors' process {mirror_ms:.1f} ms, server {server_ms:.1f} ms")
    nudge_us = 1e6 * fmean(end.nudge_sec for end in ends)
    longest_ms = 1000 * max(end.longest_nudge_sec for end in ends)
    print(f"CPU of the driver: {nudge_us:.0f} µs a result, at most {longest_ms:.1f} ms")
    began = time.monotonic()
    problems = [
        problem.what
        for sweep in sweeps
        for check in examine_folder(sweep)
        for problem in check.checked.problems
    ]
    print(f"doctor: {problems or 'all is well'}, {time.monotonic() - began:.0f} s for all")


def measure_steps(server: TrackingServer, folder: Path) -> None:
    """Prints the ratio of step times."""
    ratio, mean_ratio, n_steps = step_ratio(server, made(folder / "steps", server.uri), 300)
    print(f"step time, mirrors at work over held: median {ratio:.3f}, mean {mean_ratio:.3f}")
    print(f"  of {n_steps} steps, at most {MOST_STEP_RATIO} is asked: {verdict(ratio)}")


def verdict(ratio: float) -> str:
    return "met" if ratio <= MOST_STEP_RATIO else "missed"


if __name__ == "__main__":
    main()
