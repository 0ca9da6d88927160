"""A real trial from start to end in one call."""

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.result import CompleteTrial
from deft_sweeps.trial.torch_starter import TorchTrialStarter


def run_trial(starter: TorchTrialStarter, config: TrialConfig, seed: int) -> CompleteTrial:
    """Trains and measures one trial."""
    run = starter(config, seed)
    run.advance(config.training.steps)
    return run.finish()
