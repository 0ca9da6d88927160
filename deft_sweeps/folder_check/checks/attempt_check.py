"""What workers wrote of unfinished trials belongs to trials that can be resumed."""

from functools import partial

from deft_sweeps.folder_check.folder_problem import Checked, FolderProblem
from deft_sweeps.folder_check.sweep_view import SweepView
from deft_sweeps.store.unfinished_trial import UnfinishedTrial, unfinished_trials
from deft_sweeps.study.pending import recorded_numbers
from deft_sweeps.units import count


def examine(view: SweepView) -> Checked:
    """Checks `unfinished/`, and what earlier versions wrote in its place."""
    trials = unfinished_trials(view.sweep)
    if view.is_driven:
        return Checked(f"{count(len(trials), 'trial')} under way")
    resumable = recorded_numbers(view.sweep.pending_path, len(view.results))
    ended = [trial for trial in trials if trial.trial_id in view.results]
    lost = [t for t in trials if t.trial_id not in view.trial_ids and t.trial_id not in resumable]
    problems = [_problem(trial, "has a result already") for trial in ended]
    problems += [_problem(trial, "is in no record of running trials") for trial in lost]
    return Checked(f"of {count(len(trials), 'unfinished trial')}", tuple(problems))


def _problem(trial: UnfinishedTrial, why: str) -> FolderProblem:
    return FolderProblem(
        f"attempts at {trial.trial_id}, which {why}",
        "nobody reads them, and they take room on the disk",
        "removes them",
        partial(trial.remove),
    )
