"""A Ray of the sweep's own for as long as it runs, or a cluster's that is there already; quiet
either way.
"""

import gc
import logging
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import ray
from ray._private import ray_constants, ray_logging

from deft_sweeps.errors import SweepError
from deft_sweeps.specification.search_settings import Budget
from deft_sweeps.store.secrets import short_reason
from deft_sweeps.sweep.cluster import authenticated
from deft_sweeps.sweep.scratch_folder import scratch_folder

OBJECT_STORE_BYTES = 200 * 2**20
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # Else each worker without a GPU warns.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # A spec's relative paths are relative to where the user stands.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_MAX_PENDING_TRIALS_PG": "1000000",  # The searcher alone limits how many trials run.
    # Store and study hold the sweep's state; Tune's is never read.
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",
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
        address: of the cluster, as it was given; None is a local Ray.
        head: HOST:PORT of the cluster's head, if it has one that can be asked.
        node_socket: of the cluster's node that this process is attached to, if it is on this host.
    """

    scratch: Path
    slots: int | None
    address: str | None = None
    head: str | None = None
    node_socket: Path | None = None

    @property
    def where(self) -> str:
        """What the Ray is of, for a message."""
        return f"--ray-address {self.address}" if self.address else "this machine"


@contextmanager
def ray_session(
    budget: Budget, *, address: str | None = None, n_cpus: int | None = None
) -> Iterator[Session]:
    """Start a local Ray, or attach to the cluster at `address`; shut it down, or let go of it, at
    the end.

    Inside another such context the Ray that is up serves on, and the outer context ends it:
    starting again costs seconds, and a process in which Ray ends more than once may be ended by
    what the first one left behind.

    Args:
        budget: what a trial needs.
        address: of a cluster; None starts a local Ray.
        n_cpus: cores that the local Ray may use; None is all that this process may.

    Raises:
        ConfigError: the cluster does not answer, or refuses this process.
        SweepError: Ray does not start, or no trial fits on this machine.
    """
    if ray.is_initialized():
        with scratch_folder() as scratch:
            yield _session(scratch, budget, address)
        return
    if address is None:
        # Before Ray takes its seconds to start.
        _slots(budget, {"CPU": float(n_cpus or os.cpu_count() or 1), "GPU": float("inf")})
    own = _own_token() if address is None else nullcontext()
    with (
        own,
        authenticated(address) as resolved,
        _environment(_ENVIRONMENT),
        scratch_folder() as scratch,
    ):
        try:
            _start(scratch, resolved, n_cpus)
            yield _session(scratch, budget, address)
        finally:
            # An object reference that another thread collects while Ray goes down would end the
            # process.
            gc.collect()
            ray.shutdown()


def _session(scratch: Path, budget: Budget, address: str | None) -> Session:
    if address is None:
        return Session(scratch / "tune", _slots(budget, ray.cluster_resources()))
    if "://" in address:
        return Session(scratch / "tune", None, address)
    node = ray._private.worker.global_worker.node
    node_socket = None if node is None else Path(node.raylet_socket_name)
    head = ray.get_runtime_context().gcs_address
    return Session(scratch / "tune", None, address, head, node_socket)


def _start(scratch: Path, address: str | None, n_cpus: int | None) -> None:
    # Ray prints a coloured paragraph for each worker and node that is lost, whatever its log level;
    # the driver says it in a sentence.
    with suppress(AttributeError):
        ray_logging.RAY_DEDUP_LOGS = True
        ray_logging.stdout_deduplicator.skip_re = re.compile("")
    # These two name their own level after ray.init has set the others'.
    for name in ("ray.tune", "ray.train"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        if address is not None:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        else:
            with _on_loopback():
                ray.init(
                    address="local",
                    num_cpus=n_cpus,
                    object_store_memory=OBJECT_STORE_BYTES,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    # Ray opens its folder to everyone (0777); the one above it is this user's
                    # alone.
                    _temp_dir=str(scratch / "ray"),
                )
    except Exception as error:  # A bare one where its processes are late.
        failed = "Ray does not start" if address is None else f"no attaching to {address}"
        raise SweepError(f"{failed}: {short_reason(error)}") from error


def _slots(budget: Budget, capacity: Mapping[str, float]) -> int:
    """Trials that fit at a time on `capacity`, by Ray's names."""
    needs = {"CPU": float(budget.cpus_per_trial), "GPU": budget.gpu_share}
    fits = min(capacity.get(name, 0.0) / need for name, need in needs.items() if need > 0) + 1e-9
    if fits < 1:
        requested = ", ".join(f"{need:g} {name}" for name, need in needs.items() if need > 0)
        has = ", ".join(f"{capacity.get(name, 0.0):g} {name}" for name in needs if needs[name] > 0)
        raise SweepError(
            f"a trial asks for {requested}, this machine has {has}; lower budget.cpus_per_trial or"
            " budget.gpus_per_trial"
        )
    return int(fits)


@contextmanager
def _own_token() -> Iterator[None]:
    """Gives a Ray that starts in this context a random token, without which it answers nobody.

    The token is in the environment, which other users cannot read. Without it there, Ray writes
    `~/.ray/auth_token`, and from then on demands that token of the user's clusters as well.
    """
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        with _environment(token):
            _reread_token()
            yield
    finally:
        _reread_token()


def _reread_token() -> None:
    """Makes Ray follow the environment: it reads mode and token once a process and keeps them."""
    # The mode first: with a stale mode, a thread that still runs would look for a token in vain.
    ray._raylet.Config.initialize("")
    ray._raylet.AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Makes a Ray that starts in this context listen on 127.0.0.1 only, not on every interface.

    An argument to `ray.init` cannot ask for it: Ray replaces a loopback address by the machine's
    own. It uses loopback itself where clusters are switched off, as on macOS.
    """
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


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
