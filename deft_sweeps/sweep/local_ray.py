"""A Ray of the sweep's own for as long as it runs, or a cluster's that is there already; quiet either way."""

import gc
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import ray
from ray._private import ray_logging

from deft_sweeps.errors import SweepError
from deft_sweeps.spec.schema import Budget
from deft_sweeps.store.secrets import short_reason
from deft_sweeps.sweep.cluster import authenticated

OBJECT_STORE_BYTES = 200 * 2**20
_PREFIX = "deft-"
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # Else each worker without a GPU warns.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # A spec's relative paths are relative to where the user stands.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_MAX_PENDING_TRIALS_PG": "1000000",  # The searcher alone limits how many trials run.
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # Store and study hold the sweep's state; Tune's is never read.
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_WARN_SLOW_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "86400",
    "RAY_AIR_NEW_OUTPUT": "0",
}


@dataclass(frozen=True, slots=True)
class Session:
    """A Ray that is up.

    Attributes:
        scratch: a folder for Tune's own files, removed at the end.
        slots: trials that fit at a time; None where the cluster may grow.
    """

    scratch: Path
    slots: int | None


@contextmanager
def ray_session(budget: Budget, *, address: str | None = None, n_cpus: int | None = None) -> Iterator[Session]:
    """Start a local Ray, or attach to the cluster at `address`; shut it down, or let go of it, at the end.

    Inside another such context the Ray that is up serves on, and the outer context ends it: starting again costs seconds, and a process
    in which Ray ends more than once may be ended by what the first one left behind.

    Args:
        budget: what a trial needs.
        address: of a cluster; None starts a local Ray.
        n_cpus: cores that the local Ray may use; None is all that this process may.

    Raises:
        ConfigError: the cluster does not answer, or refuses this process.
        SweepError: Ray does not start, or no trial fits on this machine.
    """
    if ray.is_initialized():
        scratch = _scratch()
        try:
            yield Session(scratch / "tune", _slots(budget, ray.cluster_resources()) if address is None else None)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return
    _remove_stale()
    if address is None:
        _slots(budget, {"CPU": float(n_cpus or os.cpu_count() or 1), "GPU": float("inf")})  # Before Ray takes its seconds to start.
    with authenticated(address) as resolved, _environment(_ENVIRONMENT):
        scratch = _scratch()
        try:
            _start(scratch, resolved, n_cpus)
            yield Session(scratch / "tune", _slots(budget, ray.cluster_resources()) if address is None else None)
        finally:
            # An object reference that another thread collects while Ray goes down would end the process.
            gc.collect()
            ray.shutdown()
            shutil.rmtree(scratch, ignore_errors=True)


def _scratch() -> Path:
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_short_temporary_folder()))


def _start(scratch: Path, address: str | None, n_cpus: int | None) -> None:
    # Ray prints a paragraph for each lost worker, whatever its log level; the driver says it in a line.
    with suppress(AttributeError):
        ray_logging.stdout_deduplicator.skip_re = re.compile("A worker died or was killed")
    # These two name their own level after ray.init has set the others'.
    for name in ("ray.tune", "ray.train"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        if address is not None:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        else:
            ray.init(
                address="local",
                num_cpus=n_cpus,
                object_store_memory=OBJECT_STORE_BYTES,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _temp_dir=str(scratch),
            )
    except Exception as error:  # A bare one where its processes are late.
        failed = "Ray does not start" if address is None else f"no attaching to {address}"
        raise SweepError(f"{failed}: {short_reason(error)}") from error


def _slots(budget: Budget, there: Mapping[str, float]) -> int:
    """Trials that fit at a time on what is `there`, by Ray's names."""
    needs = {"CPU": float(budget.cpus_per_trial), "GPU": budget.gpus_per_trial}
    fits = min(there.get(name, 0.0) / need for name, need in needs.items() if need > 0) + 1e-9
    if fits < 1:
        asked = ", ".join(f"{need:g} {name}" for name, need in needs.items() if need > 0)
        has = ", ".join(f"{there.get(name, 0.0):g} {name}" for name in needs if needs[name] > 0)
        raise SweepError(f"a trial asks for {asked}, this machine has {has}; lower budget.cpus_per_trial or budget.gpus_per_trial")
    return int(fits)


def _short_temporary_folder() -> str:
    # Ray puts sockets below it, and a socket's path may have 107 characters.
    usual = tempfile.gettempdir()
    return usual if len(usual) <= 24 or not os.access("/tmp", os.W_OK) else "/tmp"  # noqa: S108


def _remove_stale() -> None:
    """Remove what drivers left that were killed."""
    for path in Path(_short_temporary_folder()).glob(f"{_PREFIX}*-*"):
        with suppress(ValueError, OSError):
            owner = int(path.name.removeprefix(_PREFIX).split("-")[0])
            if path.stat().st_uid == os.getuid() and not _alive(owner):
                shutil.rmtree(path, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
