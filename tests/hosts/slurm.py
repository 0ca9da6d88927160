"""A stand-in for Slurm: its `srun` runs a job's steps on the test's hosts.

`srun` and `scontrol` are the programs of `fake_slurm/`, first on the job's PATH. They leave
requests in a shared folder; this process starts the steps, since only it sees all hosts.
"""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from tests.hosts.machines import ROOT, Host, end

PROGRAMS = Path(__file__).parent / "fake_slurm"
POLL_SEC = 0.1


class FakeSlurm:
    """Serves the requests of jobs on some hosts, for as long as its `with` block lasts.

    Args:
        folder: shared by the hosts; not yet there.
        hosts: of every job; the first one runs the batch script.
    """

    def __init__(self, folder: Path, hosts: Sequence[Host]) -> None:
        folder.mkdir(mode=0o700)
        self.folder, self._hosts = folder, hosts
        self._steps: dict[Path, list[subprocess.Popen[bytes]]] = {}
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.join()
        for steps in self._steps.values():
            for step in steps:
                end(step)

    def submit(
        self, job_id: int, log: Path, settings: Mapping[str, str | None]
    ) -> subprocess.Popen[bytes]:
        """Start the batch script on the first host, as Slurm would for `sbatch --nodes N`.

        Args:
            job_id: Slurm's number of the job.
            log: of the script and all its steps.
            settings: changes to the environment.
        """
        environment = {
            "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
            "SLURM_JOB_ID": str(job_id),
            "SLURM_JOB_NODELIST": "a-list-of-hosts",
            "SLURM_NNODES": str(len(self._hosts)),
            "SLURM_CPUS_PER_TASK": "1",
            "SLURM_MEM_PER_NODE": "2048",
            "FAKE_SLURM_FOLDER": str(self.folder),
            "FAKE_SLURM_HOSTS": " ".join(host.name for host in self._hosts),
        }
        script = ["bash", str(ROOT / "cluster" / "slurm.sbatch")]
        return self._hosts[0].start(script, log, {**environment, **settings})

    def requeued(self) -> list[str]:
        """Numbers of the jobs that were queued again, in order."""
        path = self.folder / "requeued"
        return path.read_text().split() if path.exists() else []

    def _serve(self) -> None:
        while not self._is_over.wait(POLL_SEC):
            for path in sorted(self.folder.glob("*.json")):
                if path not in self._steps:
                    request = json.loads(path.read_text())
                    self._steps[path] = list(self._started(request))
                self._look_after(path)

    def _started(self, request: dict[str, Any]) -> Any:
        for host in self._hosts:
            if host.name in request["hosts"]:
                yield host.start(request["command"], Path(request["log"]), request["environment"])

    def _look_after(self, path: Path) -> None:
        """Pass on a signal; end the step with its first bad exit, as `--kill-on-bad-exit` does."""
        code, term = path.with_suffix(".code"), path.with_suffix(".term")
        if code.exists():
            return
        steps = self._steps[path]
        if term.exists():
            term.unlink()
            for step in steps:
                with suppress(ProcessLookupError):
                    os.killpg(step.pid, signal.SIGTERM)
        codes = [step.poll() for step in steps]
        bad = next((one for one in codes if one), None)
        if bad is not None:
            for step in steps:
                end(step)
        if bad is not None or None not in codes:
            code.write_text(str(bad or 0))
