"""What trials were measured to need raises what later ones are taken to need."""

from dataclasses import replace
from itertools import permutations

import pytest

from deft_sweeps.config.axes import Nf4
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.models.checkpoints import read_config
from deft_sweeps.models.families import layout
from deft_sweeps.projection.measured_peaks import (
    EXCEEDED,
    kind_of,
    peak_ratios,
    projected_bytes,
    raised_bytes,
)
from deft_sweeps.projection.trial_estimate import PROCESS_BYTES
from deft_sweeps.result import CompleteTrial, FailedTrial, MachineShare, OutOfMemory, TrialResult
from deft_sweeps.tasks.location import located_checkpoint
from tests.fakes import fake_result, fake_spec, plain

SPEC = fake_spec()
CONFIG = SPEC.config(plain(1e-3))
PACKED = replace(CONFIG, quantization=Nf4())
SHAPE = layout(read_config(located_checkpoint(CONFIG, SPEC.folder)))


def projected(config: TrialConfig, n_micro_batches: int = 1) -> int:
    return projected_bytes(config, SHAPE, SPEC.evaluation, n_micro_batches, on_gpu=False)


def complete(
    config: TrialConfig, ratio: float, n_micro_batches: int = 1, device: str = "cpu x86_64"
) -> CompleteTrial:
    """A trial whose peak was that many times what was projected."""
    result = fake_result(config, 0)
    assert result.cost is not None
    assert result.provenance is not None
    peak = round(ratio * projected(config, n_micro_batches)) - PROCESS_BYTES
    return replace(
        result,
        cost=replace(result.cost, peak_memory_bytes=peak),
        provenance=replace(result.provenance, device=device, n_micro_batches=n_micro_batches),
    )


def ratios(*results: TrialResult) -> dict[str, float]:
    return peak_ratios(results, SHAPE, SPEC.evaluation, on_gpu=False)


def test_the_highest_ratio_of_a_kind_counts_in_any_order() -> None:
    results = (complete(CONFIG, 0.8), complete(CONFIG, 1.4), complete(PACKED, 1.1))
    expected = {kind_of(CONFIG): 1.4, kind_of(PACKED): 1.1}
    for order in permutations(results):
        assert ratios(*order) == pytest.approx(expected)


def test_a_trial_that_was_split_is_held_against_the_projection_of_its_split() -> None:
    assert projected(CONFIG, 16) < projected(CONFIG)
    assert ratios(complete(CONFIG, 1.2, 16)) == pytest.approx({kind_of(CONFIG): 1.2})


def test_an_attempt_that_ran_out_of_memory_needed_more_than_it_had() -> None:
    had = 3 * projected(CONFIG, 4)
    exhaustions = (OutOfMemory(4, MachineShare({"CPU": 1.0, "memory": float(had)}, had)),)
    failed = FailedTrial(config=CONFIG, seed=0, error="it did not fit", exhaustions=exhaustions)
    assert ratios(failed) == pytest.approx({kind_of(CONFIG): 3 * EXCEEDED})
    assert ratios(replace(complete(CONFIG, 0.9), exhaustions=exhaustions)) == ratios(failed)
    for share in (MachineShare({"CPU": 1.0, "GPU": 0.5}), MachineShare({"CPU": 1.0}, had)):
        assert ratios(replace(failed, exhaustions=(OutOfMemory(4, share),))) == {}


def test_what_ran_on_the_other_device_says_nothing() -> None:
    on_gpu = OutOfMemory(1, MachineShare({"GPU": 0.5}, 2**40))
    result = replace(complete(CONFIG, 9.0, device="NVIDIA H100"), exhaustions=(on_gpu,))
    assert ratios(result) == {}
    of_gpu = peak_ratios([result], SHAPE, SPEC.evaluation, on_gpu=True)
    assert of_gpu[kind_of(CONFIG)] > 9.0


def test_a_projection_is_raised_and_never_lowered() -> None:
    assert raised_bytes(1000, CONFIG, {}) == 1000
    assert raised_bytes(1000, CONFIG, {kind_of(CONFIG): 0.5}) == 1000
    assert raised_bytes(1000, CONFIG, {kind_of(CONFIG): 1.5}) == 1500
    assert raised_bytes(1000, PACKED, {kind_of(CONFIG): 1.5}) == 1000
