"""MLflow has one run for the sweep and one for each result, with its status and its values."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from deft_sweeps.config.label import settings
from deft_sweeps.folder_check.folder_problem import Checked, FolderProblem, listed
from deft_sweeps.folder_check.sweep_view import SweepView
from deft_sweeps.result import TrialResult
from deft_sweeps.store.mlflow import ENDED, PARENT, SPEC_FILE, TRIAL_ID, Mirror
from deft_sweeps.store.run_files import RunFiles
from deft_sweeps.store.run_metrics import final_metrics
from deft_sweeps.store.secrets import without_secrets
from deft_sweeps.store.tracking_client import (
    every_run,
    is_useless,
    plain_client,
    plain_errors,
    tracking_uri,
)
from deft_sweeps.units import count

_MEANING = "MLflow shows another sweep than the results"


@dataclass
class _Runs:
    """The sweep's runs in MLflow.

    Attributes:
        client: an MlflowClient; None if the store cannot be asked.
        parents: runs of the sweep, the one with most trials first.
        children: runs of each trial by trial_id.
    """

    client: Any = None
    parents: list[Any] = field(default_factory=list)
    children: dict[str, list[Any]] = field(default_factory=dict)


def examine(view: SweepView) -> Checked:
    """Checks the tracker.

    Raises:
        StoreError: its server cannot be reached.
    """
    spec = view.spec
    mirror = Mirror(view.sweep, spec.name, spec.tracking_uri)
    is_own = tracking_uri(view.sweep, spec.tracking_uri) == view.sweep.mlflow_url
    path = view.sweep.mlflow_path
    if is_own and (problem := _unusable(view)) is not None:
        return Checked(problems=(problem,))
    if is_own and not path.exists():
        return Checked("nothing to show yet")
    with plain_errors(mirror.where):
        runs = _runs(view, mirror)
        problems = (*_of_trials(view, runs), *_of_sweep(view, runs, is_own=is_own))
    return Checked(f"{count(len(runs.children), 'run')} at {mirror.where}", problems)


def _unusable(view: SweepView) -> FolderProblem | None:
    """What is wrong with the database in the folder; None if it can be asked."""
    path, level = view.sweep.mlflow_path, partial(_level, view, _Runs(), [])
    if not path.exists():
        if view.is_driven or not view.results:
            return None
        return FolderProblem(
            f"there is no {path.name}",
            "MLflow cannot show the sweep (did MLFLOW_TRACKING_URI name a server when it ran? then"
            " set it, and check again)",
            "makes it from the results",
            level,
        )
    if not is_useless(path):
        return None
    what = f"{path.name} is damaged, or its making was cut short"
    return FolderProblem(what, "MLflow cannot show the sweep", "rebuilds it", level)


def _runs(view: SweepView, mirror: Mirror) -> _Runs:
    client = plain_client(tracking_uri(view.sweep, view.spec.tracking_uri))
    experiment = client.get_experiment_by_name(view.spec.name)
    if experiment is None:
        return _Runs(client)
    parents = every_run(client, experiment.experiment_id, mirror.which_parent)
    children: dict[str, list[Any]] = defaultdict(list)
    n_of: dict[str, int] = {}
    for parent in parents:
        its = every_run(client, experiment.experiment_id, mirror.which_children(parent.info.run_id))
        n_of[parent.info.run_id] = len(its)
        for run in its:
            if TRIAL_ID in run.data.tags:
                children[run.data.tags[TRIAL_ID]].append(run)
    parents.sort(key=lambda run: (-n_of[run.info.run_id], run.info.start_time))
    return _Runs(client, parents, dict(children))


def _of_trials(view: SweepView, runs: _Runs) -> Iterable[FolderProblem]:
    results, children = view.results, runs.children
    first = runs.parents[0].info.run_id if runs.parents else ""
    doubled = {t: some[1:] for t, some in _sorted(children, first).items() if len(some) > 1}
    surplus = {t: some for t, some in children.items() if t not in view.trial_ids}
    different = {
        t: some
        for t, some in children.items()
        if t in results and t not in doubled and _differs(some[0], results[t])
    }
    for what, wrong, remedy in (
        ("has more than one run of", doubled, "deletes all but one"),
        ("has runs without a result, of", surplus, "deletes them"),
        ("has another status or other values for", different, "writes them again"),
    ):
        if wrong:
            run_ids = [run.info.run_id for some in wrong.values() for run in some]
            level = partial(_level, view, runs, run_ids)
            yield FolderProblem(f"MLflow {what} {listed(list(wrong))}", _MEANING, remedy, level)
    missing = [t for t in results if t not in children]
    if missing and not view.is_driven:
        level = partial(_level, view, runs, [])
        yield FolderProblem(f"MLflow lacks {listed(missing)}", _MEANING, "adds them", level)


def _of_sweep(view: SweepView, runs: _Runs, *, is_own: bool) -> Iterable[FolderProblem]:
    if len(runs.parents) > 1:
        others = [run.info.run_id for run in runs.parents[1:]]
        children = (run for some in runs.children.values() for run in some)
        below = [run.info.run_id for run in children if run.data.tags[PARENT] in others]
        yield FolderProblem(
            f"MLflow has {len(runs.parents)} runs of the sweep",
            _MEANING,
            "deletes all but the one with most trials",
            partial(_level, view, runs, [*others, *below]),
        )
    if not runs.parents:
        return
    parent = runs.parents[0]
    if parent.info.status not in ENDED.values() and not view.is_driven:
        status = "FINISHED" if view.is_finished else "KILLED"
        yield FolderProblem(
            f"MLflow calls the sweep {parent.info.status}, and no driver holds the folder",
            "whoever looks at MLflow waits for it in vain",
            f"ends it as {status}",
            partial(_level, view, runs, []),
        )
    files = RunFiles(runs.client, view.sweep.mlflow_artifacts if is_own else None)
    expected = without_secrets(view.sweep.spec_path.read_text("utf-8")).encode()
    try:
        is_same = files.read(parent.info.run_id, SPEC_FILE) == expected
    except FileNotFoundError:
        is_same = False
    if not is_same:
        yield FolderProblem(
            f"MLflow has no {SPEC_FILE} of the sweep, or another one",
            "the sweep could not be run again from the tracker alone",
            "adds it",
            partial(_level, view, runs, []),
        )


def _level(view: SweepView, runs: _Runs, run_ids: list[str]) -> None:
    """Deletes runs, then brings MLflow level with the results.

    Raises:
        StoreError: MLflow cannot be written.
    """
    spec = view.spec
    mirror = Mirror(view.sweep, spec.name, spec.tracking_uri)
    with plain_errors(mirror.where):
        for run_id in run_ids:
            if runs.client.get_run(run_id).info.lifecycle_stage == "active":
                runs.client.delete_run(run_id)
    mirror.catch_up()
    mirror.close(interrupted=not view.is_finished)


def _sorted(children: dict[str, list[Any]], first: str) -> dict[str, list[Any]]:
    """The run to keep before its doubles: below the sweep's first run, ended, then by its id."""

    def order(run: Any) -> tuple[bool, bool, str]:
        parent = run.data.tags.get(PARENT)
        return parent != first, run.info.status not in ENDED.values(), run.info.run_id

    return {trial_id: sorted(some, key=order) for trial_id, some in children.items()}


def _differs(run: Any, result: TrialResult) -> bool:
    """Whether a run does not show a result."""
    if run.info.status != ENDED[result.status]:
        return True
    params = settings(result.config) | {"seed": str(result.seed)}
    if any(run.data.params.get(name) != value[:6000] for name, value in params.items()):
        return True
    metrics = {n: v for n, v in final_metrics(result).items() if math.isfinite(v)}
    return any(
        name not in run.data.metrics or not math.isclose(run.data.metrics[name], value)
        for name, value in metrics.items()
    )
