"""The driver's time and memory on several hosts: `python -m tests.hosts.driver_scale [TRIALS]`.

Trials take no time, so that the driver is what limits them. Two run at a time on each host.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from benchmarks.scale import Marks, NoLength, show
from benchmarks.search import closed_form
from deft_sweeps.specification.search_settings import Budget
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep.runner import run_sweep
from tests.hosts.machines import Machines, ended, temporary_machines
from tests.hosts.ray_cluster import RayCluster, Trait

N_HOSTS, TRIALS_PER_HOST = 4, 2


def drive(root: Path, address: str, n_trials: int) -> None:
    """Run the sweep in `root` on the cluster at `address`, and print a line each tenth."""
    problem = closed_form.make("bent")
    search = replace(problem.spec.search, sampler="random")
    budget = Budget(trials=n_trials, concurrency=None)
    spec = replace(problem.spec, budget=budget, search=search)
    marks = Marks(n_trials)
    outcome = run_sweep(
        spec,
        SweepDir(root),
        NoLength(problem),
        view=lambda progress: marks.note(progress.n_done),
        ray_address=address,
    )
    show("driver, several hosts", marks.taken)
    print("; ".join(outcome.messages) or "the tracker has them all")
    print(f"{len(SweepDir(root).results())} results")


def measure(machines: Machines, folder: Path, n_trials: int, limit_sec: float = 7200.0) -> str:
    """What a driver prints that runs `n_trials` trials on `N_HOSTS` hosts.

    Raises:
        RuntimeError: it failed; the text is the end of its log.
        subprocess.TimeoutExpired: it took longer than `limit_sec`.
    """
    cluster = RayCluster(machines, folder / "logs")
    cluster.join(*[Trait(n_cpus=TRIALS_PER_HOST)] * N_HOSTS)
    settings = ["--drive", str(folder / "scale" / "sweep"), cluster.address]
    (folder / "scale").mkdir()
    command = ["python", "-m", "tests.hosts.driver_scale", str(n_trials), *settings]
    process, log, _ = cluster.begin(cluster.hosts[0], command)
    with ended(process):
        code = process.wait(limit_sec)
    if code != 0:
        raise RuntimeError(log.read_text()[-3000:])
    return log.read_text()


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("trials", type=int, nargs="?", default=2000)
    parser.add_argument("--drive", nargs=2, metavar=("FOLDER", "ADDRESS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.drive:
        root, address = arguments.drive
        drive(Path(root), address, arguments.trials)
        return
    with temporary_machines() as (machines, shared):
        print(measure(machines, shared, arguments.trials))


if __name__ == "__main__":
    main()
