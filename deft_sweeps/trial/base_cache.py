"""Frozen bases that every process of a machine shares: pruned, quantized or cast once, stored in
the user's cache folder, and mapped by all who need them.

A base is a folder named by what it depends on, below a folder of the machine's own: a drive may be
shared by machines that compute differently, and a file that one removes while another has it mapped
would end the other's process.
"""

import json
import logging
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import torch
import transformers
from filelock import FileLock

from deft_sweeps.atomic_build import HOST, build_folder, remove_folder
from deft_sweeps.axes import pruning, quantization
from deft_sweeps.cache import file_stamp
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.errors import CheckpointError
from deft_sweeps.models import checkpoints
from deft_sweeps.tasks.task_data import TaskData
from deft_sweeps.trial.base import BaseKey, FrozenBase, build_base
from deft_sweeps.trial.base_room import (
    IN_USE,
    bases_folder,
    bases_limit,
    lease_of,
    make_room,
    warn_once,
)
from deft_sweeps.trial.freed_memory import give_back_freed
from deft_sweeps.trial.stored_base import (
    TENSORS,
    DamagedBaseError,
    base_bytes,
    check_base,
    open_base,
    write_base,
)

_VERIFIED = "verified"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LOG = logging.getLogger(__name__)


def shared_base(config: TrialConfig, data: TaskData, device: torch.device) -> FrozenBase:
    """The configuration's frozen base: mapped if it is stored, else built, stored and mapped.

    A base that equals the checkpoint is not stored, since its weights are mapped from there. Nor is
    one on a GPU. Without room for it, the base is built as if nothing could be stored.

    Args:
        config: of the trial.
        data: of its task.
        device: of the base.

    Raises:
        CheckpointError: the checkpoint cannot be used.
    """
    if device.type != "cpu" or _is_checkpoint(config):
        return build_base(config, data, device)
    try:
        if bases_limit() == 0:
            return build_base(config, data, device)
        folder = bases_folder() / HOST / base_digest(config, data)
        stored = _open(folder, config, data)
        return _build_and_store(folder, config, data) if stored is None else stored
    except CheckpointError:
        raise
    except OSError as error:
        warn_once(f"bases are not shared between processes: {error}")
        return build_base(config, data, device)


def base_digest(config: TrialConfig, data: TaskData) -> str:
    """Hex digest of all that the tensors of a stored base depend on.

    Dropout and gates count only where pruning runs the model: a base gets its own when it is
    opened.
    """
    calibration = (
        [data.fingerprint, config.activation, torch.get_num_threads()]
        if config.pruning.needs_calibration
        else []
    )
    libraries = [torch.__version__, transformers.__version__]
    if not config.quantization.is_none:
        libraries.append(version("bitsandbytes"))
    parts = [
        checkpoints.stamp(config.checkpoint),
        repr(config.pruning),
        repr(config.quantization),
        config.dtype,
        calibration,
        libraries,
        _code_digest(),
    ]
    return sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _open(folder: Path, config: TrialConfig, data: TaskData) -> FrozenBase | None:
    """The stored base; None if there is none, or a damaged one was removed."""
    lease = lease_of(folder)
    if lease is None:
        if folder.is_dir() and not (folder / IN_USE).exists():  # Else it is being removed.
            remove_folder(folder)
        return None
    key = BaseKey.of(config, data.fingerprint, torch.device("cpu"))
    try:
        _verify(folder)
        return open_base(folder, config, key, lease)
    except (DamagedBaseError, FileNotFoundError) as error:
        _LOG.warning("the stored base %s is damaged and is built again: %s", folder, error)
        remove_folder(folder)
        return None


def _build_and_store(folder: Path, config: TrialConfig, data: TaskData) -> FrozenBase:
    """The base, mapped; in memory if it cannot be stored."""
    built: list[FrozenBase] = []

    def fill(into: Path) -> None:
        built.append(build_base(config, data, torch.device("cpu")))
        # One at a time, so that two do not both take the last room.
        with FileLock(bases_folder() / ".room.lock"):
            make_room(base_bytes(built[0]))
            write_base(into, built[0])
        (into / _VERIFIED).write_text(_verified_state(into / TENSORS))
        (into / IN_USE).touch()

    try:
        build_folder(folder, fill)
        stored = _open(folder, config, data)
    except CheckpointError:
        raise
    except OSError as error:
        if not built:
            raise
        warn_once(f"bases are not shared between processes: {error}")
        return built[0]
    if stored is None:
        return built[0] if built else build_base(config, data, torch.device("cpu"))
    built.clear()
    give_back_freed()
    return stored


def _verify(folder: Path) -> None:
    """Compare the files with their checksums; the tensors once a boot of the machine, and again if
    the file has changed.

    Raises:
        DamagedBaseError, OSError: as `check_base`.
    """
    state = _verified_state(folder / TENSORS)
    marker = folder / _VERIFIED
    is_verified = marker.is_file() and marker.read_text(errors="replace") == state
    check_base(folder, tensors=not is_verified or not _BOOT_ID.exists())
    if not is_verified:
        with suppress(OSError):
            marker.write_text(state)


def _verified_state(tensors: Path) -> str:
    """What is another after a boot of the machine, or a change of the file."""
    with suppress(OSError):
        return f"{_BOOT_ID.read_text().strip()} {file_stamp(tensors)}"
    return file_stamp(tensors)


def _is_checkpoint(config: TrialConfig) -> bool:
    return config.pruning.is_none and config.quantization.is_none and config.dtype == "fp32"


@cache
def _code_digest() -> str:
    """Of the code that makes a base, so that another version of it takes no base of this one."""
    packages = [Path(package.__path__[0]) for package in (pruning, quantization)]
    sources = [path for folder in packages for path in sorted(folder.glob("*.py"))]
    own = ("base.py", "stored_base.py", "mapped_tensors.py")
    sources += [Path(__file__).with_name(name) for name in own]
    return sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
