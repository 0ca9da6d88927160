"""The spec in a sweep's folder can be used, and keeps its secrets."""

from deft_sweeps.folder_check.folder_problem import Checked, FolderProblem
from deft_sweeps.folder_check.sweep_view import SweepView
from deft_sweeps.store.secrets import holds_secret


def examine(view: SweepView) -> Checked:
    """Checks `spec.yaml`."""
    path = view.sweep.spec_path
    if view.spec_errors:
        return Checked(
            problems=(
                FolderProblem(
                    f"spec.yaml cannot be used: {view.spec_errors[0]}",
                    "the sweep can neither go on nor be reported",
                    "restore it from a copy, or from the tracker with deft-sweeps recover-spec",
                ),
            )
        )
    summary = f"{view.spec.name}, {view.spec.budget.trials} trials"
    if not (holds_secret(path.read_text("utf-8", errors="replace")) and path.stat().st_mode & 0o77):
        return Checked(summary)
    problem = FolderProblem(
        "spec.yaml holds a secret and others may read it",
        "whoever reads it has the password",
        "makes it readable by its owner alone",
        view.sweep.protect_spec,
    )
    return Checked(summary, (problem,))
