"""Mirrors a sweep's folder into MLflow: one parent run a sweep, one child run a trial. The folder
is the truth; this may be rebuilt.

Whatever is missing is found by comparing names, so mirroring twice does no harm, and a server that
was down is caught up with later. mlflow is imported when it is first needed: that takes seconds.
"""

from collections.abc import Callable, Mapping
from math import ceil
from typing import Any

from deft_sweeps.config.label import label, settings
from deft_sweeps.errors import StoreError
from deft_sweeps.result import FailedTrial, Status, TrialResult
from deft_sweeps.store.run_files import RunFiles
from deft_sweeps.store.run_metrics import run_metrics
from deft_sweeps.store.secrets import without_secrets
from deft_sweeps.store.spec_origin import spec_folder
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.sweep_identity import sweep_id
from deft_sweeps.store.tracking_client import (
    create_run,
    every_run,
    experiment_id,
    open_client,
    plain_errors,
    tracking_uri,
)

TRIAL_ID = "trial_id"
SWEEP = "deft_sweeps.sweep"
SPEC_FILE, SPEC_FOLDER = "spec.yaml", "deft_sweeps.spec_folder"
"""File of the sweep's run: its YAML without secrets. Tag: where the relative paths in it start."""
ENDED: dict[Status, str] = {"complete": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}

PARENT = "mlflow.parentRunId"
"""MLflow's own tag of a run below another one."""
_BATCH, _PARAMS = 900, 100
"""At most so many metrics and parameters in one request: MLflow takes 1,000 things in all, and 100
parameters."""


class Mirror:
    """One sweep's runs in an MLflow store.

    Args:
        sweep: the folder to mirror.
        name: of the sweep, and of the experiment.
        uri: `tracking_uri` of the spec; None as in `tracking_uri()`.
        on_trouble: called with a sentence if a damaged file was set aside.
    """

    def __init__(
        self,
        sweep: SweepDir,
        name: str,
        uri: str | None = None,
        on_trouble: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._sweep, self._name, self._on_trouble = sweep, name, on_trouble
        self._uri = tracking_uri(sweep, uri)
        self._client: Any = None
        self._parent = ""
        self._runs: dict[str, tuple[str, str]] | None = None
        self._done: set[str] = set()

    @property
    def where(self) -> str:
        """The store's address, without a password."""
        return without_secrets(self._uri)

    def catch_up(self, on_each: Callable[[int], None] = lambda _: None) -> int:
        """Mirror every result that is stored and not mirrored; returns how many.

        Args:
            on_each: called after each with how many are left.

        Raises:
            StoreError: the tracker cannot be reached or refuses; what was mirrored before stays.
        """
        missing = [trial_id for trial_id in self._sweep.trial_ids() if trial_id not in self._done]
        results = sorted(
            (self._sweep.result(t) for t in missing), key=lambda result: result.finished_at
        )
        n_done = 0
        for n_left, result in reversed(tuple(enumerate(reversed(results)))):
            n_done += self.add(result)
            on_each(n_left)
        if not self._parent:
            with plain_errors(self.where):
                self._open()
        return n_done

    def add(self, result: TrialResult) -> bool:
        """Mirror one result; whether that was still to do. What the tracker has is asked once, and
        again after it refused something.

        Raises:
            StoreError: as `catch_up`.
        """
        if result.trial_id in self._done:
            return False
        try:
            with plain_errors(self.where):
                self._open()
                if self._runs is None:
                    self._runs = self._children()
                run_id, status = self._runs.get(result.trial_id, (None, ""))
                ended = status in ENDED.values()
                if not ended:
                    self._write(result, run_id)
        except StoreError:
            self._runs = None  # It may have been half written.
            raise
        self._done.add(result.trial_id)
        return not ended

    def attach(self, files: Mapping[str, bytes]) -> None:
        """Keep rendered files (the front's JSON, the report) as artifacts of the sweep's run.

        Raises:
            StoreError: as `catch_up`.
        """
        with plain_errors(self.where):
            self._open()
            for name, content in files.items():
                self._files.write(self._parent, name, content)

    def close(self, *, interrupted: bool = False) -> None:
        """Say that no driver runs any more.

        Raises:
            StoreError: as `catch_up`.
        """
        if self._parent:
            with plain_errors(self.where):
                if not self._is_own:  # What a slow server made meanwhile.
                    self._parent = self._the_parent() or self._parent
                    self._children()
                self._client.set_terminated(
                    self._parent, status="KILLED" if interrupted else "FINISHED"
                )

    def trials(self) -> dict[str, str]:
        """MLflow's status of each mirrored trial by its trial_id.

        Raises:
            StoreError: as `catch_up`.
        """
        with plain_errors(self.where):
            self._open()
            return {trial_id: status for trial_id, (_, status) in self._children().items()}

    def _open(self) -> None:
        """Find or make experiment and parent."""
        if self._client is None:
            self._client = open_client(self._sweep, self._uri, self._on_trouble)
            folder = self._sweep.mlflow_artifacts if self._is_own else None
            self._files = RunFiles(self._client, folder)
        if self._parent:
            return
        self._experiment = experiment_id(self._client, self._name, is_own=self._is_own)
        tags = {SWEEP: self._key, "mlflow.runName": self._name}
        parent = self._the_parent() or create_run(
            self._client, self._experiment, self.which_parent, tags=tags
        )
        self._attach_spec(parent)
        self._client.update_run(parent, status="RUNNING")
        self._parent = parent

    def _attach_spec(self, parent: str) -> None:
        """Keeps the spec, so that the sweep can be run again from the tracker alone."""
        path = self._sweep.spec_path
        try:
            text = path.read_text("utf-8")
        except (OSError, ValueError):  # A search without a YAML, or another user's.
            return
        self._files.write(parent, SPEC_FILE, without_secrets(text).encode())
        self._client.set_tag(parent, SPEC_FOLDER, str(spec_folder(path)))

    @property
    def _is_own(self) -> bool:
        return self._uri == self._sweep.mlflow_url

    @property
    def _key(self) -> str:
        """What tells this sweep's run from others: its name in a store of its own, its id on a
        server, where sweeps of one name lie side by side.
        """
        return self._name if self._is_own else sweep_id(self._sweep)

    @property
    def which_parent(self) -> str:
        """Filter that the sweep's runs alone pass."""
        return f"tags.`{SWEEP}` = '{self._key}'"

    @staticmethod
    def which_children(parent: str) -> str:
        """Filter that the runs below another one pass."""
        return f"tags.`{PARENT}` = '{parent}'"

    def _the_parent(self) -> str:
        """Run id of the sweep's run; empty if there is none.

        A server that is slower than its client may make a run that nobody waits for any more. Of
        several, the one with children stays, and the others are deleted.
        """
        runs = self._search(self.which_parent)
        if len(runs) < 2:
            return runs[0].info.run_id if runs else ""
        runs.sort(key=lambda run: (not self._has_children(run), run.info.start_time))
        for run in runs[1:]:
            if not self._has_children(run):
                self._client.delete_run(run.info.run_id)
        return str(runs[0].info.run_id)

    def _has_children(self, run: Any) -> bool:
        return bool(
            self._client.search_runs(
                [self._experiment], self.which_children(run.info.run_id), max_results=1
            )
        )

    def _children(self) -> dict[str, tuple[str, str]]:
        """Run id and status of each child by trial_id; of a trial's several runs, one that has
        ended stays, and the others are deleted, as in `_the_parent`.
        """
        runs: dict[str, tuple[str, str]] = {}
        every = self._search(self.which_children(self._parent))
        every.sort(key=lambda run: (run.info.status not in ENDED.values(), run.info.run_id))
        for run in every:
            trial_id = run.data.tags.get(TRIAL_ID)
            if trial_id in runs:
                self._client.delete_run(run.info.run_id)
            elif trial_id is not None:
                runs[trial_id] = (run.info.run_id, run.info.status)
        return runs

    def _search(self, which: str) -> list[Any]:
        return every_run(self._client, self._experiment, which)

    def _write(self, result: TrialResult, run_id: str | None) -> None:
        """Write a child run; `run_id` is of one that was begun and not ended, whose entries are
        written over.
        """
        from mlflow.entities import Metric, Param

        ended = round(result.finished_at * 1000)
        if run_id is None:
            tags = {
                PARENT: self._parent,
                TRIAL_ID: result.trial_id,
                "config_id": result.config_id,
                "mlflow.runName": label(result.config),
                "status": result.status,
            }
            if isinstance(result, FailedTrial):
                tags["error"] = without_secrets(result.error)
            began = round(result.started_at * 1000)
            which = (
                f"{self.which_children(self._parent)} and tags.`{TRIAL_ID}` = '{result.trial_id}'"
            )
            run_id = create_run(self._client, self._experiment, which, start_time=began, tags=tags)
        params = [
            Param(name, value[:6000])
            for name, value in (settings(result.config) | {"seed": str(result.seed)}).items()
        ]
        logged = run_metrics(result, self._sweep.steps(result.trial_id))
        metrics = [Metric(one.name, one.value, one.at_ms, one.step) for one in logged]
        for i in range(max(ceil(len(metrics) / _BATCH), ceil(len(params) / _PARAMS))):
            some = metrics[i * _BATCH : (i + 1) * _BATCH]
            self._client.log_batch(
                run_id, metrics=some, params=params[i * _PARAMS : (i + 1) * _PARAMS]
            )
        self._files.write(run_id, "result.json", result.to_json())
        self._client.set_terminated(run_id, status=ENDED[result.status], end_time=ended)
