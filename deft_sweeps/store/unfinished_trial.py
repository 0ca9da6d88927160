"""What workers write of a trial that has no result yet.

A trial may be taken up by a second worker while the first one still trains: on a node that was cut
off from the network, say. So each attempt writes into a folder of its own, and the driver takes the
weights of the attempt whose result it accepts. Whatever another attempt writes, and whenever, it
changes neither.
"""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deft_sweeps.config.trial import codec
from deft_sweeps.errors import TrialError
from deft_sweeps.result import OutOfMemory, Rung
from deft_sweeps.result.number_check import check_numbers
from deft_sweeps.store.atomic_file import move_durably, write_atomically
from deft_sweeps.store.checkpoint_file import packed
from deft_sweeps.store.sweep_dir import SweepDir

_CHECKPOINT, _RUNGS, _WEIGHTS = "checkpoint", "rungs.json", "weights.safetensors"
_EXHAUSTIONS = "out_of_memory.json"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One worker's attempt at a trial.

    Attributes:
        folder: its own.
    """

    folder: Path

    @property
    def number(self) -> int:
        """Of the attempt, from 1 on."""
        return int(self.folder.name)

    def write_checkpoint(self, content: bytes) -> None:
        """Writes the state that a later attempt goes on from; replaces this attempt's last one.

        Raises:
            OSError: it cannot be written.
            TrialError: the trial has ended elsewhere.
        """
        self._write(_CHECKPOINT, packed(self.folder.parent.name, content))

    def write_rungs(self, rungs: tuple[Rung, ...]) -> None:
        """Writes what the trial has measured on its way; raises as `write_checkpoint`."""
        self._write(_RUNGS, codec(tuple[Rung, ...]).dump_json(rungs))

    def write_weights(self, content: bytes) -> None:
        """Writes what the trial has trained; raises as `write_checkpoint`."""
        self._write(_WEIGHTS, content)

    def _write(self, name: str, content: bytes) -> None:
        if self.folder.is_dir():
            with suppress(FileNotFoundError):  # The driver has just removed the folder.
                write_atomically(self.folder / name, content)
                return
        raise TrialError("the trial has ended on another worker")


@dataclass(frozen=True, slots=True)
class UnfinishedTrial:
    """The attempts at one trial.

    Args:
        sweep: folder of the sweep.
        trial_id: of the trial.
    """

    sweep: SweepDir
    trial_id: str

    @property
    def folder(self) -> Path:
        """Holds a folder for each attempt."""
        return self.sweep.unfinished_path / self.trial_id

    def begin(self) -> Attempt:
        """A new attempt, with a number that no other one has, on whatever host.

        Raises:
            OSError: its folder cannot be made.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        number = max((attempt.number for attempt in self._attempts()), default=0)
        while True:
            number += 1
            with suppress(FileExistsError):  # Another worker was quicker.
                (self.folder / str(number)).mkdir()
                return Attempt(self.folder / str(number))

    def checkpoint(self) -> Path | None:
        """The checkpoint of the latest attempt that has one."""
        return next(iter(self.checkpoints()), None)

    def checkpoints(self) -> tuple[Path, ...]:
        """The checkpoints of all attempts, the latest attempt's first."""
        paths = [attempt.folder / _CHECKPOINT for attempt in self._attempts()]
        return tuple(path for path in (*paths, self._former_checkpoint) if path.is_file())

    def rungs(self) -> tuple[Rung, ...]:
        """What the attempt that came furthest has measured.

        A file that cannot be read counts as missing: its rungs can be measured again.
        """
        paths = [attempt.folder / _RUNGS for attempt in self._attempts()]
        return max((_read_rungs(path) for path in (*paths, self._former_rungs)), key=len)

    def with_weights(self) -> tuple[int, ...]:
        """Numbers of the attempts that have written weights, the latest first."""
        return tuple(a.number for a in self._attempts() if (a.folder / _WEIGHTS).is_file())

    def exhaustions(self) -> tuple[OutOfMemory, ...]:
        """The attempts that ran out of memory, in order; none of a file that cannot be read."""
        reader = codec(tuple[OutOfMemory, ...])
        try:
            content = (self.folder / _EXHAUSTIONS).read_bytes()
            noted: tuple[OutOfMemory, ...] = reader.validate_json(content)
            check_numbers(noted)
        except (OSError, ValueError, OverflowError):
            return ()
        return noted

    def add_exhaustion(self, exhaustion: OutOfMemory) -> None:
        """Notes that an attempt ran out of memory; noting the same one twice changes nothing.

        Raises:
            OSError: it cannot be written.
        """
        before = self.exhaustions()
        if exhaustion not in before:
            self.folder.mkdir(parents=True, exist_ok=True)
            content = codec(tuple[OutOfMemory, ...]).dump_json((*before, exhaustion))
            write_atomically(self.folder / _EXHAUSTIONS, content)

    def accept(self, number: int) -> None:
        """Makes the weights of an attempt the trial's.

        Raises:
            FileNotFoundError: it has written none that this host sees.
            OSError: they cannot be moved.
        """
        written = self.folder / str(number) / _WEIGHTS
        move_durably(written, self.sweep.weights_path(self.trial_id))

    def remove(self) -> None:
        """Removes every attempt, as far as that is possible."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for path in (self._former_checkpoint, self._former_rungs):
            with suppress(OSError):
                path.unlink()

    def _attempts(self) -> list[Attempt]:
        """The latest first."""
        with suppress(FileNotFoundError, NotADirectoryError):
            attempts = [Attempt(path) for path in self.folder.iterdir() if path.name.isdecimal()]
            return sorted(attempts, key=lambda attempt: attempt.number, reverse=True)
        return []

    # Of versions in which all attempts at a trial wrote the same files.
    @property
    def _former_checkpoint(self) -> Path:
        return self.sweep.root / "checkpoints" / f"{self.trial_id}.ckpt"

    @property
    def _former_rungs(self) -> Path:
        return self.sweep.root / "rungs" / f"{self.trial_id}.json"


def unfinished_trials(sweep: SweepDir) -> tuple[UnfinishedTrial, ...]:
    """Every trial of which a worker has written something."""
    trial_ids = {path.stem for path in (sweep.root / "checkpoints").glob("*.ckpt")}
    trial_ids |= {path.stem for path in (sweep.root / "rungs").glob("*.json")}
    trial_ids |= {path.name for path in sweep.unfinished_path.glob("*")}
    return tuple(UnfinishedTrial(sweep, trial_id) for trial_id in sorted(trial_ids))


def _read_rungs(path: Path) -> tuple[Rung, ...]:
    try:
        rungs: tuple[Rung, ...] = codec(tuple[Rung, ...]).validate_json(path.read_bytes())
        check_numbers(rungs)
    except (OSError, ValueError, OverflowError):
        return ()
    return rungs
