"""Mirrors a sweep's folder into MLflow: one parent run a sweep, one child run a trial. The folder
is the truth; this may be rebuilt.

Whatever is missing is found by comparing names, so mirroring twice does no harm, and a server that
was down is caught up with later. mlflow is imported when it is first needed: that takes seconds.
"""

import logging
import math
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Any

from deft_sweeps.config.label import label, settings
from deft_sweeps.errors import StoreError
from deft_sweeps.metrics import METRICS, measured
from deft_sweeps.result import CompleteTrial, FailedTrial, Rung, Status, TrialResult
from deft_sweeps.store.database import write_ahead
from deft_sweeps.store.secrets import short_reason, without_secrets
from deft_sweeps.store.sweep_dir import SweepDir

TRIAL_ID = "trial_id"
SWEEP = "deft_sweeps.sweep"
ENDED: dict[Status, str] = {"complete": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}

_PARENT = "mlflow.parentRunId"
_BATCH, _PARAMS = 900, 100
"""At most so many metrics and parameters in one request: MLflow takes 1,000 things in all, and 100
parameters."""
_ENVIRONMENT = {
    # A server that is down must cost seconds, not MLflow's default of minutes.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def tracking_uri(sweep: SweepDir, given_uri: str | None) -> str:
    """Where the mirror lies: as the spec asks, else MLFLOW_TRACKING_URI, else a SQLite file in the
    sweep's folder. May hold a password.
    """
    return given_uri or os.environ.get("MLFLOW_TRACKING_URI") or sweep.mlflow_url


class Mirror:
    """One sweep's runs in an MLflow store.

    Args:
        sweep: the folder to mirror.
        name: of the sweep, and of the experiment.
        uri: `tracking_uri` of the spec; None as in `tracking_uri()`.
    """

    def __init__(self, sweep: SweepDir, name: str, uri: str | None = None) -> None:
        self._sweep, self._name = sweep, name
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
            with _told_plainly(self.where):
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
            with _told_plainly(self.where):
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
        with _told_plainly(self.where):
            self._open()
            for name, content in files.items():
                self._attach(self._parent, name, content)

    def close(self, *, interrupted: bool = False) -> None:
        """Say that no driver runs any more.

        Raises:
            StoreError: as `catch_up`.
        """
        if self._parent:
            with _told_plainly(self.where):
                self._client.set_terminated(
                    self._parent, status="KILLED" if interrupted else "FINISHED"
                )

    def trials(self) -> dict[str, str]:
        """MLflow's status of each mirrored trial by its trial_id.

        Raises:
            StoreError: as `catch_up`.
        """
        with _told_plainly(self.where):
            self._open()
            return {trial_id: status for trial_id, (_, status) in self._children().items()}

    def _open(self) -> None:
        """Find or make experiment and parent."""
        if self._client is None:
            if self._uri == self._sweep.mlflow_url:
                _make(self._sweep.mlflow_path)
                write_ahead(self._sweep.mlflow_path)
            self._client = _client(self._uri)
        if not self._parent:
            experiment = self._client.get_experiment_by_name(self._name)
            own = self._uri == self._sweep.mlflow_url
            where = self._sweep.mlflow_artifacts.resolve().as_uri() if own else None
            experiment_id = (
                experiment.experiment_id
                if experiment
                else self._client.create_experiment(self._name, artifact_location=where)
            )
            # A store of its own has one sweep in it, wherever the folder is moved; on a server,
            # sweeps of one name lie side by side.
            key = self._name if own else self._sweep.token
            runs = self._client.search_runs(
                [experiment_id], f"tags.`{SWEEP}` = '{key}'", max_results=1
            )
            tags = {SWEEP: key, "mlflow.runName": self._name}
            self._parent = (
                runs[0] if runs else self._client.create_run(experiment_id, tags=tags)
            ).info.run_id
            self._experiment = experiment_id
            self._client.update_run(self._parent, status="RUNNING")

    def _children(self) -> dict[str, tuple[str, str]]:
        """Run id and status of each child by trial_id."""
        runs: dict[str, tuple[str, str]] = {}
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment],
                f"tags.`{_PARENT}` = '{self._parent}'",
                max_results=1000,
                page_token=token,
            )
            runs |= {
                run.data.tags[TRIAL_ID]: (run.info.run_id, run.info.status)
                for run in page
                if TRIAL_ID in run.data.tags
            }
            token = page.token
            if not token:
                return runs

    def _write(self, result: TrialResult, run_id: str | None) -> None:
        """Write a child run; `run_id` is of one that was begun and not ended, whose entries are
        written over.
        """
        from mlflow.entities import Metric, Param

        began, ended = round(result.started_at * 1000), round(result.finished_at * 1000)
        if run_id is None:
            tags = {
                _PARENT: self._parent,
                TRIAL_ID: result.trial_id,
                "config_id": result.config_id,
                "mlflow.runName": label(result.config),
                "status": result.status,
            }
            if isinstance(result, FailedTrial):
                tags["error"] = without_secrets(result.error)
            run_id = str(
                self._client.create_run(self._experiment, start_time=began, tags=tags).info.run_id
            )
        params = [
            Param(name, value[:6000])
            for name, value in (settings(result.config) | {"seed": str(result.seed)}).items()
        ]
        # The same time each time it is written: MLflow then takes the second writing for the first.
        metrics = [Metric(name, value, ended, 0) for name, value in final_metrics(result).items()]
        steps = self._sweep.steps(result.trial_id)
        last = max(
            [metric.step for metric in steps] + [rung.step for rung in result.rungs], default=1
        )
        for rung in result.rungs:
            at_ms = began + round((ended - began) * rung.step / last)
            metrics += [
                Metric(name, value, at_ms, rung.step) for name, value in rung_metrics(rung).items()
            ]
        for metric in steps:
            at_ms = began + round((ended - began) * metric.step / last)
            values = {
                "train/task_loss": metric.task_loss,
                "train/density_loss": metric.density_loss,
                "train/grad_norm": metric.grad_norm,
                "train/learning_rate": metric.learning_rate,
            }
            metrics += [
                Metric(name, value, at_ms, metric.step)
                for name, value in values.items()
                if math.isfinite(value)
            ]
        for i in range(max(ceil(len(metrics) / _BATCH), ceil(len(params) / _PARAMS))):
            some = metrics[i * _BATCH : (i + 1) * _BATCH]
            self._client.log_batch(
                run_id, metrics=some, params=params[i * _PARAMS : (i + 1) * _PARAMS]
            )
        self._attach(run_id, "result.json", result.to_json())
        self._client.set_terminated(run_id, status=ENDED[result.status], end_time=ended)

    def _attach(self, run_id: str, name: str, content: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            self._client.log_artifact(run_id, str(path))


def final_metrics(result: TrialResult) -> dict[str, float]:
    """A trial's numbers under MLflow's names: `threshold_0.01/score` for what a threshold changes,
    `latency_sec` for what it does not.
    """
    values: dict[str, float] = {}
    if not isinstance(result, CompleteTrial):
        return {}
    for point in result.points:
        for name, value in measured(point, result.cost).items():
            values[f"threshold_{point.at}/{name}" if METRICS[name].of_point else name] = value
    return values


def rung_metrics(rung: Rung) -> dict[str, float]:
    """What was measured on a trial's way: `rung/threshold_0.01/score`, never under the name of what
    was measured at its end.
    """
    return {
        f"rung/threshold_{point.at}/{name}": value
        for point in rung.points
        for name, value in measured(point).items()
    }


def _make(path: Path) -> None:
    """Have MLflow's database there, with all its tables or not at all: MLflow makes them by
    many migrations, and a file in which they were cut short cannot be used again.
    """
    if path.exists():
        return
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    unfinished.touch()  # As the umask says: SQLite itself would make it 0644.
    try:
        _client(f"sqlite:///{unfinished.resolve()}")
        if not path.exists():
            unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _client(uri: str) -> Any:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    # After the import, which sets a level of its own.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    from mlflow.store.db import utils

    # A database that is down is otherwise asked for two minutes, whatever the settings above say.
    utils.MAX_RETRY_COUNT = 4
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@contextmanager
def _told_plainly(where: str) -> Iterator[None]:
    """Any of the many things that MLflow and its transports raise becomes one error, without
    secrets.
    """
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        raise StoreError(f"MLflow at {where}: {short_reason(error)}") from None
