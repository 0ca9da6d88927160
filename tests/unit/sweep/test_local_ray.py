import os

import pytest

from deft_sweeps.errors import SweepError
from deft_sweeps.specification.search_settings import Budget
from deft_sweeps.sweep import local_ray


def test_the_environment_is_as_before_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEFT_A", "1")
    monkeypatch.delenv("DEFT_B", raising=False)
    with local_ray._environment({"DEFT_A": "2", "DEFT_B": "2"}):
        assert (os.environ["DEFT_A"], os.environ["DEFT_B"]) == ("2", "2")
    assert os.environ["DEFT_A"] == "1"
    assert "DEFT_B" not in os.environ


@pytest.mark.parametrize(
    ("budget", "capacity", "slots"),
    [
        (Budget(trials=1), {"CPU": 4.0}, 4),
        (Budget(trials=1, cpus_per_trial=3), {"CPU": 8.0, "GPU": 1.0}, 2),
        (Budget(trials=1, gpus_per_trial=0.1), {"CPU": 16.0, "GPU": 1.0}, 10),
    ],
)
def test_as_many_trials_run_as_fit(budget: Budget, capacity: dict[str, float], slots: int) -> None:
    assert local_ray._slots(budget, capacity) == slots


def test_a_trial_that_does_not_fit_is_told_what_is_there() -> None:
    with pytest.raises(
        SweepError, match=r"a trial asks for 1 CPU, 0\.5 GPU, this machine has 4 CPU, 0 GPU"
    ):
        local_ray._slots(Budget(trials=1, gpus_per_trial=0.5), {"CPU": 4.0})
