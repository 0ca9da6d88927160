import pytest

from deft_sweeps.config.trial import Evaluation
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory
from deft_sweeps.trial.torch_starter import TorchTrialStarter


@pytest.fixture
def starter() -> TorchTrialStarter:
    return TorchTrialStarterFactory(
        Evaluation(
            thresholds=(0.0, 0.05, 0.3), objective_threshold=0.05, batch_size=8, latency_repeats=2
        )
    )()
