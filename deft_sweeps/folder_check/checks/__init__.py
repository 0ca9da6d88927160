"""The checks of a folder, in the order in which they are made: mirrors come last.

A further check is a module here, with a function `examine`, and its line below.
"""

from collections.abc import Callable
from dataclasses import dataclass

from deft_sweeps.folder_check.checks import (
    attempt_check,
    driver_check,
    number_clash_check,
    pending_check,
    record_check,
    result_check,
    spec_check,
    study_mirror_check,
    tracker_check,
    weights_check,
)
from deft_sweeps.folder_check.folder_problem import Checked
from deft_sweeps.folder_check.sweep_view import SweepView


@dataclass(frozen=True, slots=True)
class FolderCheck:
    """One kind of check.

    Attributes:
        name: in the report.
        examine: looks at a folder, and changes nothing in it.
    """

    name: str
    examine: Callable[[SweepView], Checked]


CHECKS = (
    FolderCheck("spec", spec_check.examine),
    FolderCheck("driver", driver_check.examine),
    FolderCheck("results", result_check.examine),
    FolderCheck("numbers", number_clash_check.examine),
    FolderCheck("pending", pending_check.examine),
    FolderCheck("weights", weights_check.examine),
    FolderCheck("attempts", attempt_check.examine),
    FolderCheck("measurements", record_check.examine),
    FolderCheck("study", study_mirror_check.examine),
    FolderCheck("tracker", tracker_check.examine),
)
