"""Ships the settings of a worker's trials; torch is loaded where it is called."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deft_sweeps.config.trial import Evaluation
from deft_sweeps.result import Label

if TYPE_CHECKING:
    from deft_sweeps.trial.torch_starter import TorchTrialStarter


@dataclass(frozen=True, slots=True)
class TorchTrialStarterFactory:
    """Ships to a worker and makes its TorchTrialStarter there.

    Attributes:
        evaluation: how every trial is measured.
        n_threads: of torch.
        label: `proxy` where the worker shares the machine with others.
        n_bases: frozen bases kept warm, the least recently used dropped first.
        shares_bases: whether bases are mapped from the user's cache folder, by all processes of a
            machine; not where building is part of what is measured.
        folder: that relative paths of model and data start from; empty is the working directory.
    """

    evaluation: Evaluation
    n_threads: int = 1
    label: Label = "proxy"
    n_bases: int = 2
    folder: str = ""
    shares_bases: bool = False

    def __call__(self) -> "TorchTrialStarter":
        """Make the starter in this process."""
        from deft_sweeps.trial.torch_starter import TorchTrialStarter

        return TorchTrialStarter(self)
