"""Weights are whole and their trial's own; trials that may be shipped or measured have them."""

from functools import partial
from pathlib import Path

from deft_sweeps.errors import StoreError
from deft_sweeps.findings import Findings
from deft_sweeps.findings.front_member import trial_ids_of
from deft_sweeps.folder_check.folder_problem import Checked, FolderProblem
from deft_sweeps.folder_check.sweep_view import SweepView
from deft_sweeps.result import CompleteTrial
from deft_sweeps.store.atomic_file import move_durably, set_aside
from deft_sweeps.store.selection_record import SelectionRecord
from deft_sweeps.store.unfinished_trial import UnfinishedTrial
from deft_sweeps.store.weights_file import owner_of
from deft_sweeps.units import count


def examine(view: SweepView) -> Checked:
    """Checks `weights/`."""
    complete = [t for t, result in view.results.items() if isinstance(result, CompleteTrial)]
    paths = {trial_id: view.sweep.weights_path(trial_id) for trial_id in complete}
    present = [path for path in paths.values() if path.exists()]
    problems = [p for path in present if (p := _wrong(path)) is not None]
    missing = [trial_id for trial_id, path in paths.items() if not path.exists()]
    needed = _needed(view) if missing else frozenset()
    problems += [_missing(view, trial_id) for trial_id in missing if trial_id in needed]
    n_spared = sum(trial_id not in needed for trial_id in missing)
    spared = f"; {n_spared} off the front have none" if n_spared else ""
    return Checked(f"{count(len(present), 'file')}{spared}", tuple(problems))


def _wrong(path: Path) -> FolderProblem | None:
    """What is wrong with a file; None if nothing is."""
    try:
        owner = owner_of(path)
    except StoreError as error:
        return FolderProblem(
            f"weights/{path.name}: {error}",
            "its trial can be neither exported nor measured on the test split",
            f"sets it aside as {path.name}.broken",
            partial(set_aside, path),
        )
    except OSError as error:  # A drive in trouble: the file itself may be whole.
        return FolderProblem(
            f"weights/{path.name} cannot be opened: {error.strerror}",
            "its trial can be neither exported nor measured on the test split",
            "make it readable, and check again",
        )
    if owner in ("", path.stem):
        return None
    own = path.with_name(f"{owner}{path.suffix}")
    what = f"weights/{path.name} holds the weights of {owner}"
    meaning = "the trial would be exported or measured with another one's weights"
    if own.exists():
        remedy = f"sets it aside as {path.name}.broken"
        return FolderProblem(what, meaning, remedy, partial(set_aside, path))
    return FolderProblem(
        what, meaning, f"renames it to {own.name}", partial(move_durably, path, own)
    )


def _missing(view: SweepView, trial_id: str) -> FolderProblem:
    """A trial on the front or in the certificate that has no weights."""
    what = f"the weights of {trial_id} are missing"
    meaning = "it can be neither exported nor measured on the test split"
    trial = UnfinishedTrial(view.sweep, trial_id)
    for number in trial.with_weights():
        if _is_whole(trial.folder / str(number) / "weights.safetensors", trial_id):
            remedy = f"takes those of its attempt {number}"
            return FolderProblem(what, meaning, remedy, partial(trial.accept, number))
    return FolderProblem(
        what,
        meaning,
        f"put weights/{trial_id}.safetensors back, or move results/{trial_id}.json away: then"
        " --resume trains another trial",
    )


def _is_whole(path: Path, trial_id: str) -> bool:
    try:
        return owner_of(path) == trial_id
    except OSError:
        return False


def _needed(view: SweepView) -> frozenset[str]:
    """Trials that the choice, the certificate or the front may ask the weights of."""
    findings = Findings.read(view.spec, view.sweep)
    needed = set(trial_ids_of(findings.front.members))
    for member in (findings.choice.member, findings.choice.baseline):
        needed |= {member.result.trial_id} if member else set()
    chain = SelectionRecord(view.sweep.root).chain()
    if chain is not None:
        needed |= {candidate.trial_id for candidate in chain.candidates}
    return frozenset(needed)
