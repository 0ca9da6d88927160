from dataclasses import replace

import pytest

from deft_sweeps.config.axes import Oft
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.errors import TrialError
from deft_sweeps.trial.torch_starter import TorchTrialStarter


def test_what_the_models_shape_forbids_is_not_trained_under_its_name(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    """Peft would take another block without a word; between the ends of a range a search may
    propose it.
    """
    with pytest.raises(TrialError, match="oft block 5 does not divide the input width"):
        starter(replace(tiny_config, peft=Oft(block=5)), 0)
