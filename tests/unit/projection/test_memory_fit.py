import pytest

from deft_sweeps.errors import SweepError
from deft_sweeps.projection.memory_fit import (
    MachineMemory,
    check_device,
    largest_trial,
    machine_memory,
    trials_in_memory,
)
from deft_sweeps.specification.spec_reader import parse_spec
from deft_sweeps.specification.sweep_spec import SweepSpec

GIB = 2**30


def spec(training: str = "{}", budget: str = "{trials: 4}", more: str = "") -> SweepSpec:
    return parse_spec(
        f"name: x\nspace: {{density: [none, loss], training: {training}}}\nbudget:"
        f" {budget}\n{more}",
        "x.yaml",
    )


def test_this_machine_has_memory() -> None:
    memory = machine_memory()
    assert memory is not None
    assert 0 < memory.available <= memory.total


def test_as_many_trials_as_memory_holds() -> None:
    trial = largest_trial(spec(), on_gpu=False)
    assert trial is not None
    assert "loss" in trial.label
    for n in (1, 2, 5):
        assert trials_in_memory(spec(), MachineMemory(64 * GIB, n * trial.n_bytes + 1)) == n
    assert trials_in_memory(spec(), MachineMemory(64 * GIB, 1)) == 1, (
        "what is free now may come back"
    )
    assert trials_in_memory(spec(), None) is None
    assert (
        trials_in_memory(spec(budget="{trials: 4, gpus_per_trial: 1}"), MachineMemory(1, 1)) is None
    )


def test_a_trial_that_does_not_fit_is_refused_with_what_would_help() -> None:
    big = spec("{batch_size: 256}", more="evaluation: {batch_size: 256}")
    with pytest.raises(
        SweepError, match=r"loss .* needs \d+\.\d+ GiB of memory in its train phase \(projected\)"
    ) as raised:
        trials_in_memory(big, MachineMemory(2 * GIB, 2 * GIB))
    assert "there are 2.00 GiB" in str(raised.value)
    assert "that and evaluation.batch_size: 32" in str(raised.value)
    helped = spec("{batch_size: 256, accumulation: 256}", more="evaluation: {batch_size: 32}")
    assert trials_in_memory(helped, MachineMemory(2 * GIB, 2 * GIB)) == 1
    with pytest.raises(SweepError, match="take a smaller model"):
        trials_in_memory(big, MachineMemory(GIB // 4, GIB // 4))


def test_a_trial_must_fit_into_its_share_of_the_gpu() -> None:
    half = spec("{batch_size: 64}", "{trials: 4, gpus_per_trial: 0.5}")
    trial = largest_trial(half, on_gpu=True)
    assert trial is not None
    check_device(half, 2 * trial.n_bytes)
    check_device(half, None)
    check_device(spec(), 1)
    with pytest.raises(SweepError, match=r"of the GPU .*training.accumulation: 64"):
        check_device(half, 2 * trial.n_bytes - 4)
