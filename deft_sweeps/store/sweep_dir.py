"""A sweep's folder: one JSON a finished trial, written atomically: the source of truth.

Study, tracker and report follow it.

<sweep>/
  spec.yaml               the spec as it was run, byte for byte
  origin.json             the folder that the relative paths in it start from
  identity.json           the sweep's id on servers that sweeps share
  results/<trial_id>.json one TrialResult
  weights/<trial_id>.safetensors   what the trial trained
  steps/<trial_id>.jsonl  metrics of each optimiser step, for the tracker
  unfinished/<trial_id>/<attempt>/   a worker's checkpoint, rungs and weights, until it has a result
  data.json               counts of the task's examples, see `data_record`
  costs/                  latency and memory measured alone, see `cost_record`
  final/<role>.json       FinalMeasurement on the test split
  policies/<id>/          the same of a later policy, with its report, see `final_record`
  selection/              the certificate's chain and its measurements, see `selection_record`
  pending.json            what is running: number, seed, point and verdicts of each trial
  study.db                mirror for Optuna's tools; can be rebuilt from results/
  mlflow.db, mlartifacts/ the tracker's store; can be rebuilt from results/
  warm_start/             copies of earlier sweeps' results, and the points taken from them
  driver.json             who runs the sweep and what is running now
  report.html
"""

import hashlib
import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from deft_sweeps.errors import StoreError
from deft_sweeps.result import FinalMeasurement, StepMetrics, TrialResult
from deft_sweeps.store.atomic_file import PRIVATE, write_atomically
from deft_sweeps.store.database import sqlite_url
from deft_sweeps.store.driver_note import DriverNote, read_note, write_note
from deft_sweeps.store.final_record import FinalRecord
from deft_sweeps.store.folder_lock import lock_folder
from deft_sweeps.store.result_file import is_result_name, read_result_file
from deft_sweeps.store.secrets import holds_secret
from deft_sweeps.store.step_log import append_steps, read_steps


@dataclass(frozen=True, slots=True)
class SweepDir:
    """The folder of one sweep.

    It names the paths in it, except those of `data_record`, `cost_record`, `selection_record` and
    `search.warm_start`, which name their own.
    """

    root: Path

    @property
    def spec_path(self) -> Path:
        """The spec as it is run."""
        return self.root / "spec.yaml"

    @property
    def origin_path(self) -> Path:
        """The record of where the spec's relative paths start from."""
        return self.root / "origin.json"

    @property
    def study_path(self) -> Path:
        """The mirrored Optuna study."""
        return self.root / "study.db"

    @property
    def study_url(self) -> str:
        """The mirrored study as SQLAlchemy names it."""
        return sqlite_url(self.study_path)

    @property
    def pending_path(self) -> Path:
        """The record of the trials that are running."""
        return self.root / "pending.json"

    @property
    def identity_path(self) -> Path:
        """The record of the sweep's id, see `sweep_identity`."""
        return self.root / "identity.json"

    @property
    def mlflow_path(self) -> Path:
        """The tracker's database."""
        return self.root / "mlflow.db"

    @property
    def mlflow_url(self) -> str:
        """The tracker's database as MLflow names it."""
        return sqlite_url(self.mlflow_path)

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

    @property
    def unfinished_path(self) -> Path:
        """Folder of what workers write of unfinished trials, see `unfinished_trial`."""
        return self.root / "unfinished"

    def page_path(self, later_policy: str = "") -> Path:
        """The page of the sweep's own policy, or of a later one."""
        if not later_policy:
            return self.report_path
        return self._policy_folder(later_policy) / "report.html"

    def _policy_folder(self, policy: str) -> Path:
        return self.root / "policies" / hashlib.sha256(policy.encode()).hexdigest()[:12]

    @property
    def note_path(self) -> Path:
        """What the driver says of itself."""
        return self.root / "driver.json"

    def require(self) -> "SweepDir":
        """This folder, if it is a sweep's.

        Raises:
            StoreError: it is not.
        """
        if not os.path.isfile(self.spec_path):  # Also of a name that no folder can have.
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
        return tuple(path.stem for path in self._result_paths())

    def strays(self) -> tuple[str, ...]:
        """Names of files in `results/` that no trial wrote: copies of a synchronisation conflict,
        say. They count nowhere.
        """
        return tuple(path.name for path in self._result_files() if not is_result_name(path.name))

    def has_results(self) -> bool:
        """Whether any trial has ended; reads none."""
        return bool(self._result_paths())

    def any_result(self) -> TrialResult | None:
        """One of the results; None if there is none.

        Raises:
            StoreError: it cannot be read.
        """
        path = next(iter(self._result_paths()), None)
        return None if path is None else read_result_file(path)

    def result(self, trial_id: str) -> TrialResult:
        """One trial's result.

        Raises:
            StoreError: there is none, or it cannot be read.
        """
        return read_result_file(self.result_path(trial_id))

    def results(self) -> tuple[TrialResult, ...]:
        """Every result, in the order the trials finished.

        Raises:
            StoreError: a file cannot be read as a result; the message names it.
        """
        results = [read_result_file(path) for path in self._result_paths()]
        return tuple(sorted(results, key=lambda result: (result.finished_at, result.trial_id)))

    def add_steps(self, trial_id: str, steps: Iterable[StepMetrics]) -> None:
        """Append metrics of a trial's steps; a step told again, after a restart from a checkpoint,
        replaces what was told of it.
        """
        append_steps(self.steps_path(trial_id), steps)

    def steps(self, trial_id: str) -> tuple[StepMetrics, ...]:
        """Metrics of a trial's steps, rising; a line cut off by a crash is left out."""
        return read_steps(self.steps_path(trial_id))

    def final_record(self, later_policy: str = "") -> FinalRecord:
        """The measurements on the test split of the sweep's own choice, or of a later policy's."""
        if not later_policy:
            return FinalRecord(self.root / "final")
        return FinalRecord(self._policy_folder(later_policy), later_policy)

    def finals(self) -> tuple[FinalMeasurement, ...]:
        """The measurements of the sweep's own choice on the test split, `chosen` first.

        Raises:
            StoreError: a file cannot be read; the message names it.
        """
        return self.final_record().measurements()

    def write_note(self, note: DriverNote) -> None:
        """Keep what the driver says of itself.

        Raises:
            OSError: it cannot be written.
        """
        write_note(self.note_path, note)

    def note(self) -> DriverNote | None:
        """What the driver last said; None where none ever ran here, or where it cannot be read."""
        return read_note(self.note_path)

    def lock(self, say: Callable[[str], None] = lambda _: None) -> AbstractContextManager[None]:
        """Holds the folder for this driver, see `lock_folder`.

        Args:
            say: is told a sentence if the lock is waited for.

        Raises:
            StoreError: another driver holds it.
        """
        return lock_folder(self.root, self.note, say)

    def _result_paths(self) -> list[Path]:
        return [path for path in self._result_files() if is_result_name(path.name)]

    def _result_files(self) -> list[Path]:
        return sorted((self.root / "results").glob("*.json"), key=attrgetter("name"))
