"""The batch script for Slurm, on hosts: `srun` and `scontrol` are stand-ins, all else is real."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deft_sweeps.cli.guard import INTERRUPTED
from deft_sweeps.store.sweep_dir import SweepDir
from tests.fakes import fake_spec
from tests.hosts.drive import starts
from tests.hosts.machines import NETWORK, ROOT, Machines, ended
from tests.hosts.ray_cluster import HOME, RUN_SEC
from tests.hosts.slurm import FakeSlurm
from tests.running import counts_are_equal

pytestmark = pytest.mark.hosts

N_HOSTS = 3
NAMES = "; ".join(f"echo {NETWORK}.{10 + i} host{i} >> /tmp/names" for i in range(N_HOSTS))
RESOLVE = f"cp /etc/hosts /tmp/names; {NAMES}; mount --bind /tmp/names /etc/hosts"
PROGRAMS = {
    "python": 'exec {python} "$@"',
    "ray": 'if [ "$(hostname)" = "$BROKEN_HOST" ]; then echo no such device; exit 3; fi\n'
    'exec {ray} "$@"',
    "deft-sweeps": '[ "$1 $3 $5 $7" = "run --out --ray-address --resume" ] || exit 99\n'
    'exec {python} -m tests.hosts.drive_faults "$4" "$6" $(cat "$2")',
}
"""Of the job's BIN: the sweep's trials are fakes, and a host may be broken."""


@pytest.fixture(scope="module")
def slurm(machines: Machines, shared: Path) -> Iterator[FakeSlurm]:
    hosts = [machines.add(RESOLVE) for _ in range(N_HOSTS)]
    with FakeSlurm(shared / "slurm", hosts) as fake:
        yield fake


@pytest.fixture(scope="module")
def programs(shared: Path) -> Path:
    folder = shared / "bin"
    folder.mkdir()
    own = Path(sys.executable).parent
    for name, text in PROGRAMS.items():
        script = folder / name
        script.write_text(f"#!/bin/sh\n{text.format(python=own / 'python', ray=own / 'ray')}\n")
        script.chmod(0o755)
    return folder


class Job:
    """A sweep to submit: so many fake trials, whose steps take so long."""

    def __init__(self, folder: Path, programs: Path, trials: int, step_sec: float) -> None:
        folder.mkdir()
        self.root, self.log = folder / "sweep", folder / "job.log"
        (folder / "spec").write_text(f"{trials} {step_sec}")
        self.settings: dict[str, str | None] = {
            "SPEC": str(folder / "spec"),
            "OUT": str(self.root),
            "BIN": str(programs),
            "BROKEN_HOST": "",
            "HOME": HOME,
            "PYTHONPATH": str(ROOT),
            **dict.fromkeys(("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")),
        }

    def code_of(self, process: "subprocess.Popen[bytes]") -> int:
        try:
            return process.wait(RUN_SEC)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"the job did not end:\n{self.log.read_text()[-4000:]}") from None

    def wait_for(self, holds: Callable[[], object], process: "subprocess.Popen[bytes]") -> None:
        until = time.monotonic() + RUN_SEC
        while not holds():
            assert process.poll() is None, self.log.read_text()[-4000:]
            assert time.monotonic() < until, self.log.read_text()[-4000:]
            time.sleep(0.1)


def test_a_job_makes_a_cluster_of_its_nodes_and_runs_the_sweep(
    slurm: FakeSlurm, programs: Path, shared: Path
) -> None:
    job = Job(shared / "whole", programs, trials=12, step_sec=0.2)
    with ended(slurm.submit(7, job.log, job.settings)) as process:
        job.wait_for(lambda: starts(job.root), process)
        secret = _token_of(process)
        assert len(secret) == 64
        shown = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if _lives(path)]
        assert not [line for line in shown if secret in line]
        code = job.code_of(process)
    assert code == 0, job.log.read_text()[-4000:]
    assert len(SweepDir(job.root).results()) == 12
    assert set(starts(job.root)) == {"host0", "host1", "host2"}
    assert slurm.requeued() == []


def test_a_worker_that_does_not_start_ends_the_job(
    slurm: FakeSlurm, programs: Path, shared: Path
) -> None:
    job = Job(shared / "broken", programs, trials=1000, step_sec=0.2)
    broken = {**job.settings, "BROKEN_HOST": "host2"}
    with ended(slurm.submit(8, job.log, broken)) as process:
        code = job.code_of(process)
    output = job.log.read_text()
    assert code == 1, output
    assert "no such device" in output
    assert "the job ends: Ray's head or a worker has failed" in output
    assert slurm.requeued() == []


def test_a_time_limit_queues_the_job_again_and_it_goes_on(
    slurm: FakeSlurm, programs: Path, shared: Path
) -> None:
    job = Job(shared / "limited", programs, trials=9, step_sec=0.2)
    sweep = SweepDir(job.root)
    with ended(slurm.submit(9, job.log, job.settings)) as process:
        job.wait_for(lambda: len(sweep.trial_ids()) >= 3, process)
        _signal_batch_script(process)
        code = job.code_of(process)
    assert code == INTERRUPTED, job.log.read_text()[-4000:]
    assert slurm.requeued() == ["9"]
    before = {result.trial_id: result for result in sweep.results()}
    assert 3 <= len(before) < 9
    with ended(slurm.submit(9, job.log, job.settings)) as process:
        assert job.code_of(process) == 0, job.log.read_text()[-4000:]
    after = {result.trial_id: result for result in sweep.results()}
    assert len(after) == 9
    assert {trial_id: after[trial_id] for trial_id in before} == before
    counts_are_equal(fake_spec(9), sweep)


def _signal_batch_script(process: "subprocess.Popen[bytes]") -> None:
    """As `--signal=B:TERM` does: to the script alone."""
    os.kill(_script_of(process), signal.SIGTERM)


def _script_of(process: "subprocess.Popen[bytes]") -> int:
    """Process number of the batch script, which `nsenter` has started."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(children[0])


def _token_of(process: "subprocess.Popen[bytes]") -> bytes:
    """The token of the job, from the environment of a process that the script has started."""
    script = _script_of(process)
    for child in Path(f"/proc/{script}/task/{script}/children").read_text().split():
        for setting in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            name, _, value = setting.partition(b"=")
            if name == b"RAY_AUTH_TOKEN":
                return value
    return b""


def _lives(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False
    return True
