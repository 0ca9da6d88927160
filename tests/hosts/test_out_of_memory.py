"""Ray's memory monitor ends a worker: the trial goes on in smaller micro-batches, then alone.

The sweep runs in a cgroup of its own, which Ray takes for the machine, so what others use does not
matter and nothing outside can be short of memory.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deft_sweeps.store.sweep_dir import SweepDir
from tests.fakes import N_STEPS, FakeMaker
from tests.hosts.drive_memory import HUNGRY

pytestmark = pytest.mark.slow  # Memory is short by design, and what Ray itself holds varies.

CGROUPS = Path("/sys/fs/cgroup/memory")
GIB = 2**30
LIMIT, THRESHOLD, WHOLE = 4 * GIB, 0.65, 2 * GIB
ENDED = HUNGRY.trial_id(0)


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A cgroup that holds at most LIMIT."""
    if not os.access(CGROUPS, os.W_OK):
        pytest.skip("needs a memory controller of cgroups v1 that may be written to")
    folder = CGROUPS / f"deft-sweeps-{os.getpid()}"
    folder.mkdir()
    try:
        (folder / "memory.limit_in_bytes").write_text(str(LIMIT))
        yield folder
    finally:
        for pid in (folder / "cgroup.procs").read_text().split():
            (CGROUPS / "cgroup.procs").write_text(pid)
        folder.rmdir()


def swept(cgroup: Path, root: Path, when: str) -> str:
    """Run the sweep inside the cgroup, which looks like the machine's; its output."""
    script = f'echo $$ > {cgroup}/cgroup.procs && mount --bind {cgroup} {CGROUPS} && exec "$@"'
    main = "from tests.hosts.drive_memory import main; main()"
    drive = [sys.executable, "-c", main, str(root), str(WHOLE), when]
    settings = {
        "RAY_memory_usage_threshold": str(THRESHOLD),
        "RAY_memory_monitor_refresh_ms": "100",
    }
    run = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *drive],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_a_worker_that_ray_ends_for_memory_costs_the_steps_since_the_checkpoint(
    cgroup: Path, tmp_path: Path
) -> None:
    output = swept(cgroup, tmp_path / "sweep", "whole")
    sweep = SweepDir(tmp_path / "sweep")
    assert [result.status for result in sweep.results()] == ["complete"] * 2, output
    fakes = FakeMaker(tmp_path)
    assert [step for name, step in fakes.notes("start") if name == ENDED] == [0, 6], output
    assert fakes.notes("split") == [(ENDED, 4)]
    assert (
        "lost its worker and goes on from its checkpoint: 1 worker(s) were killed due to the node"
        in output
    )
    assert [m.step for m in sweep.steps(ENDED)] == list(range(1, N_STEPS + 1))


def test_a_trial_for_which_no_split_is_fine_enough_runs_once_more_alone_on_the_machine(
    cgroup: Path, tmp_path: Path
) -> None:
    """Three kills, one more than `max_failures` allows: the ladder ends by itself."""
    output = swept(cgroup, tmp_path / "sweep", "beside")
    sweep = SweepDir(tmp_path / "sweep")
    results = {result.trial_id: result for result in sweep.results()}
    assert [result.status for result in results.values()] == ["complete"] * 2, output
    assert [step for name, step in FakeMaker(tmp_path).notes("start") if name == ENDED] == [
        *(0, 6, 6, 6)
    ], output
    exhaustions = results[ENDED].exhaustions
    assert [exhaustion.n_micro_batches for exhaustion in exhaustions] == [1, 4, 16]
    assert {exhaustion.share.resources["CPU"] for exhaustion in exhaustions} == {1.0}
    assert f"{ENDED} ran out of memory in" in output
    assert "goes on from its checkpoint in 4.00 GiB of memory" in output
