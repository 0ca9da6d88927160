"""A sweep's folder: one JSON a finished trial, written atomically: the source of truth.

Study, tracker and report follow it.

<sweep>/
  spec.yaml               the spec as it was run, byte for byte
  results/<trial_id>.json one TrialResult
  weights/<trial_id>.safetensors   what the trial trained
  steps/<trial_id>.jsonl  metrics of each optimiser step, for the tracker
  checkpoints/<trial_id>.ckpt      of a trial that is not finished
  rungs/<trial_id>.json   what was measured on the way of one; moves into its result
  final/<role>.json       FinalMeasurement on the test split
  pending.json            what is running: number, seed, point and verdicts of each trial
  study.db                mirror for Optuna's tools; can be rebuilt from results/
  mlflow.db, mlartifacts/ the tracker's store; can be rebuilt from results/
  warm_start/             copies of earlier sweeps' results, and the points taken from them
  driver.json             who runs the sweep and what is running now
  report.html
"""

import hashlib
import json
import os
import platform
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from operator import attrgetter
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from deft_sweeps.config.trial import codec
from deft_sweeps.errors import StoreError
from deft_sweeps.result import FinalMeasurement, Rung, StepMetrics, TrialResult, read_result
from deft_sweeps.store.secrets import holds_secret

FINAL_ROLES = ("chosen", "baseline", "twin")
PRIVATE = 0o600
"""Mode of a file that only its owner may read."""

_HELD: ContextVar[frozenset[Path]] = ContextVar("_HELD", default=frozenset())
"""Folders that this thread's driver holds: one that holds a folder for a whole session may take it
again for a part."""


def write_atomically(
    path: Path,
    content: bytes,
    *,
    durably: bool = True,
    private: bool = False,
) -> None:
    """Writes a file so that a reader, and a crash, sees all of it or nothing of it.

    A `durably` written file survives a loss of power. The umask decides who may read it, except
    that a `private` one is this user's alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not mkstemp: its 0600 would have to be changed afterwards, and only the system can apply the
    # umask without a moment in which another thread's files are made without it.
    temporary = path.parent / f".{path.name}.{secrets.token_hex(6)}"
    mode = PRIVATE if private else 0o666
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            if durably:
                os.fsync(file.fileno())
        temporary.replace(path)
        if durably:
            _sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@dataclass(frozen=True, slots=True)
class DriverNote:
    """What the driver says of itself while it runs.

    Attributes:
        pid: of the driver's process.
        started_at, beat_at: seconds since the epoch; `beat_at` moves while the driver lives.
        n_budget: trials the sweep is to finish.
        running: trial_ids under way.
        state: `searching`, `stopping`, `measuring`, `finished`, `interrupted` or `failed`.
        left_sec: projected time to the end, None where nothing is finished to project from.
        spent_sec: wall time of all drivers that have searched on the folder, this one's included.
        ended: finished trials to which the search came, and those asked for since; None while it is
            not at its end. It outlives the state, which says what the driver does after the search.
        since: wall time, and trials' time, used when trials beyond the budget were asked for; None
            where none were.
    """

    pid: int
    started_at: float
    beat_at: float
    n_budget: int
    running: tuple[str, ...]
    state: str
    left_sec: float | None
    spent_sec: float = 0.0
    ended: int | None = None
    since: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class SweepDir:
    """The folder of one sweep; every path in it is named here and nowhere else."""

    root: Path

    @property
    def spec_path(self) -> Path:
        """The spec as it is run."""
        return self.root / "spec.yaml"

    @property
    def study_path(self) -> Path:
        """The mirrored Optuna study."""
        return self.root / "study.db"

    @property
    def study_url(self) -> str:
        """The mirrored study as SQLAlchemy names it."""
        return f"sqlite:///{self.study_path.resolve()}"

    @property
    def pending_path(self) -> Path:
        """The record of the trials that are running."""
        return self.root / "pending.json"

    @property
    def token(self) -> str:
        """16 hex digits that tell this folder from others on a server that several sweeps share."""
        where = f"{platform.node()}:{self.root.resolve()}"
        return hashlib.sha256(where.encode()).hexdigest()[:16]

    @property
    def mlflow_path(self) -> Path:
        """The tracker's database."""
        return self.root / "mlflow.db"

    @property
    def mlflow_url(self) -> str:
        """The tracker's database as MLflow names it."""
        return f"sqlite:///{self.mlflow_path.resolve()}"

    @property
    def mlflow_artifacts(self) -> Path:
        """Folder of the tracker's files."""
        return self.root / "mlartifacts"

    @property
    def report_path(self) -> Path:
        """The page."""
        return self.root / "report.html"

    def result_path(self, trial_id: str) -> Path:
        """A trial's result."""
        return self.root / "results" / f"{trial_id}.json"

    def weights_path(self, trial_id: str) -> Path:
        """What a complete trial trained."""
        return self.root / "weights" / f"{trial_id}.safetensors"

    def steps_path(self, trial_id: str) -> Path:
        """Metrics of a trial's steps."""
        return self.root / "steps" / f"{trial_id}.jsonl"

    def checkpoint_path(self, trial_id: str) -> Path:
        """Of a trial under way."""
        return self.root / "checkpoints" / f"{trial_id}.ckpt"

    def rungs_path(self, trial_id: str) -> Path:
        """What was measured of a trial under way."""
        return self.root / "rungs" / f"{trial_id}.json"

    def checkpoints(self) -> tuple[Path, ...]:
        """Of every trial that has one."""
        return tuple(self.checkpoint_path("any").parent.glob("*.ckpt"))

    def final_path(self, role: str) -> Path:
        """A measurement on the test split."""
        return self.root / "final" / f"{role}.json"

    @property
    def _note_path(self) -> Path:
        return self.root / "driver.json"

    def require(self) -> "SweepDir":
        """This folder, if it is a sweep's.

        Raises:
            StoreError: it is not.
        """
        if not self.spec_path.is_file():
            raise StoreError(
                f"{self.root} is no sweep folder: it has no spec.yaml; `deft-sweeps run FILE`"
                " makes one"
            )
        return self

    def write_spec(self, content: bytes) -> None:
        """Keeps the spec as it is run; only this user may read one that holds a secret."""
        secret = holds_secret(content.decode(errors="replace"))
        write_atomically(self.spec_path, content, private=secret)

    def protect_spec(self) -> None:
        """Closes a spec that holds a secret to others: earlier versions let everyone read it."""
        with suppress(FileNotFoundError, PermissionError):  # Missing, or a colleague's.
            if holds_secret(self.spec_path.read_text("utf-8", errors="replace")):
                self.spec_path.chmod(PRIVATE)

    def write(self, result: TrialResult, *, durably: bool = True) -> None:
        """Keep a result; the same trial_id overwrites."""
        write_atomically(self.result_path(result.trial_id), result.to_json(), durably=durably)

    def trial_ids(self) -> tuple[str, ...]:
        """Of the results that there are, without reading them."""
        return tuple(sorted(path.stem for path in (self.root / "results").glob("*.json")))

    def has_results(self) -> bool:
        """Whether any trial has ended; reads none."""
        return any((self.root / "results").glob("*.json"))

    def any_result(self) -> TrialResult | None:
        """One of the results; None if there is none.

        Raises:
            StoreError: it cannot be read.
        """
        path = next((self.root / "results").glob("*.json"), None)
        return None if path is None else _read(path)

    def result(self, trial_id: str) -> TrialResult:
        """One trial's result.

        Raises:
            StoreError: there is none, or it cannot be read.
        """
        return _read(self.result_path(trial_id))

    def results(self) -> tuple[TrialResult, ...]:
        """Every result, in the order the trials finished.

        Raises:
            StoreError: a file cannot be read as a result; the message names it.
        """
        paths = sorted((self.root / "results").glob("*.json"), key=attrgetter("name"))
        results = [_read(path) for path in paths]
        return tuple(sorted(results, key=lambda result: (result.finished_at, result.trial_id)))

    def add_steps(self, trial_id: str, steps: Iterable[StepMetrics]) -> None:
        """Append metrics of a trial's steps; a step told again, after a restart from a checkpoint,
        replaces what was told of it.
        """
        path = self.steps_path(trial_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write("".join(json.dumps(asdict(metrics)) + "\n" for metrics in steps))

    def steps(self, trial_id: str) -> tuple[StepMetrics, ...]:
        """Metrics of a trial's steps, rising; a line cut off by a crash is left out."""
        path = self.steps_path(trial_id)
        steps: dict[int, StepMetrics] = {}
        for line in path.read_text().splitlines() if path.is_file() else ():
            with suppress(ValueError, TypeError):
                metrics = StepMetrics(**json.loads(line))
                steps[metrics.step] = metrics
        return tuple(steps[step] for step in sorted(steps))

    def write_rungs(self, trial_id: str, rungs: tuple[Rung, ...]) -> None:
        """Keep what was measured of a trial on its way; what was kept before is replaced."""
        write_atomically(self.rungs_path(trial_id), codec(tuple[Rung, ...]).dump_json(rungs))

    def rungs(self, trial_id: str) -> tuple[Rung, ...]:
        """What was measured of an unfinished trial; nothing where that cannot be read, since it can
        be measured again.
        """
        try:
            rungs: tuple[Rung, ...] = codec(tuple[Rung, ...]).validate_json(
                self.rungs_path(trial_id).read_bytes()
            )
        except (OSError, ValueError):
            return ()
        return rungs

    def write_final(self, measurement: FinalMeasurement) -> None:
        """Keep a measurement on the test split; one of the same role is replaced."""
        write_atomically(
            self.final_path(measurement.role),
            codec(FinalMeasurement).dump_json(measurement, indent=1) + b"\n",
        )

    def clear_finals(self) -> None:
        """Forget the measurements on the test split: they were of another choice."""
        for role in FINAL_ROLES:
            self.final_path(role).unlink(missing_ok=True)

    def finals(self) -> tuple[FinalMeasurement, ...]:
        """The measurements on the test split, `chosen` first.

        Raises:
            StoreError: a file cannot be read; the message names it.
        """
        finals: list[FinalMeasurement] = []
        for role in FINAL_ROLES:
            path = self.final_path(role)
            if path.is_file():
                try:
                    finals.append(codec(FinalMeasurement).validate_json(path.read_bytes()))
                except ValueError as error:
                    raise StoreError(_unreadable(path, "a final measurement", error)) from error
        return tuple(finals)

    def write_note(self, note: DriverNote) -> None:
        """Keep what the driver says of itself."""
        write_atomically(self._note_path, json.dumps(asdict(note)).encode(), durably=False)

    def note(self) -> DriverNote | None:
        """What the driver last said; None where none ever ran here, or where a loss of power left
        nothing that can be read.
        """
        try:
            read: DriverNote = codec(DriverNote).validate_json(self._note_path.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return read

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for this driver, also if it holds it already; the system lets go of it
        when the process ends, however it ends.

        Raises:
            StoreError: another driver holds it.
        """
        held, root = _HELD.get(), self.root.resolve()
        if root in held:
            yield
            return
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            acquired = FileLock(self.root / ".lock", blocking=False).acquire()
        except Timeout as error:
            note = self.note()
            who = f" (process {note.pid})" if note else ""
            raise StoreError(
                f"{self.root} is in use by another driver{who}; wait for it, or stop it"
            ) from error
        with acquired:
            token = _HELD.set(held | {root})
            try:
                yield
            finally:
                _HELD.reset(token)


def _sync_folder(folder: Path) -> None:
    """Have the names in it survive a loss of power; some file systems cannot, and what was written
    is there all the same.
    """
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _read(path: Path) -> TrialResult:
    try:
        return read_result(path.read_bytes())
    except (ValueError, OSError) as error:
        raise StoreError(_unreadable(path, "a trial's result", error)) from error


def _unreadable(path: Path, what: str, error: ValueError | OSError) -> str:
    """A file of a sweep's subfolder, why it cannot be read, and what to do."""
    if not isinstance(error, ValidationError):
        reason = error.strerror if isinstance(error, OSError) else error
        return f"{path}: cannot be read as {what}: {reason}"
    first = error.errors()[0]
    why = ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))
    # The study is made from the results: without its result, a trial never was.
    then = "runs another trial" if path.parent.name == "results" else "makes it again"
    resume = f"`deft-sweeps run {path.parents[1]} --resume` {then}"
    return f"{path}: cannot be read as {what}: {why} (move the file away, then {resume})"
