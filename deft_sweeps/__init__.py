"""deft_sweeps finds which combination of PEFT method, density loss, quantization and pruning to
ship.

    from deft_sweeps import SweepDir, choose, load, load_spec

Importing it loads neither torch nor ray; each name is fetched from its room when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig
    from deft_sweeps.deploy.bundle_reader import load
    from deft_sweeps.deploy.prediction import Prediction
    from deft_sweeps.deploy.predictor import Predictor
    from deft_sweeps.errors import DeftSweepsError
    from deft_sweeps.findings import Choice, Findings, ParetoFront, choose, pareto_front
    from deft_sweeps.result import TrialResult
    from deft_sweeps.specification.spec_reader import load_spec
    from deft_sweeps.specification.sweep_spec import SweepSpec
    from deft_sweeps.store.sweep_dir import SweepDir

__all__ = [
    "Choice",
    "DeftSweepsError",
    "Findings",
    "ParetoFront",
    "Prediction",
    "Predictor",
    "SweepDir",
    "SweepSpec",
    "TrialConfig",
    "TrialResult",
    "choose",
    "load",
    "load_spec",
    "pareto_front",
]

_HOMES = {
    "Choice": "findings",
    "DeftSweepsError": "errors",
    "Findings": "findings",
    "ParetoFront": "findings",
    "Prediction": "deploy.prediction",
    "Predictor": "deploy.predictor",
    "SweepDir": "store.sweep_dir",
    "SweepSpec": "specification.sweep_spec",
    "TrialConfig": "config.trial",
    "TrialResult": "result",
    "choose": "findings",
    "load": "deploy.bundle_reader",
    "load_spec": "specification.spec_reader",
    "pareto_front": "findings",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
