"""What each trial requests of Ray, and when nothing new is proposed for its sake."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from deft_sweeps.result import CompleteTrial, MachineShare, TrialResult
from deft_sweeps.sweep import trial_placement
from deft_sweeps.sweep.learned_memory import LearnedMemory
from deft_sweeps.sweep.trial_shares import TrialShares
from tests.fakes import fake_result, fake_spec, plain

SPEC = fake_spec()
CONFIG = SPEC.config(plain(1e-3))
R = float(2**31)
NEEDS = {"CPU": 1.0, "memory": R}
MACHINE = {"CPU": 4.0, "memory": 4 * R}


def greedy(peak_memory_bytes: int) -> CompleteTrial:
    """A complete trial with such a peak."""
    result = fake_result(CONFIG, 0)
    assert result.cost is not None
    return replace(result, cost=replace(result.cost, peak_memory_bytes=peak_memory_bytes))


def test_trials_request_the_same_until_one_of_their_kind_needed_more() -> None:
    results, said = list[TrialResult](), list[str]()
    shares = TrialShares(NEEDS, LearnedMemory(SPEC, results), lambda: [MACHINE], warn=said.append)
    usual = MachineShare(NEEDS, int(R))
    other = replace(SPEC, combinations=SPEC.combinations[2:3]).combinations[0].template
    assert other.quantization.kind == "nf4"
    assert [shares.usual(config) for config in (CONFIG, other)] == [usual, usual]
    results.append(greedy(int(1.3 * R)))
    raised = shares.usual(CONFIG)
    assert raised.resources["memory"] >= 1.3 * R
    assert shares.usual(other) == usual
    results.append(greedy(int(1.301 * R)))
    assert shares.usual(CONFIG) == raised
    (sentence,) = said
    assert sentence.startswith("lora on bf16 none: trials needed up to ")
    assert sentence.endswith(f"so they request {raised} instead of {usual}")


def test_a_later_driver_learns_the_same_from_the_results() -> None:
    results: list[TrialResult] = [greedy(int(1.3 * R)), greedy(1000)]
    requests = [
        TrialShares(NEEDS, LearnedMemory(SPEC, order), lambda: [MACHINE]).usual(CONFIG)
        for order in (results, results[::-1])
    ]
    assert requests[0] == requests[1] != MachineShare(NEEDS, int(R))


def test_a_machine_that_trials_share_counts_as_equal_parts() -> None:
    shares = TrialShares(
        {"CPU": 1.0}, LearnedMemory(SPEC, []), lambda: [{"CPU": 4.0}], memory_bytes=(2**33, 4)
    )
    usual = shares.usual(CONFIG)
    assert usual == MachineShare({"CPU": 1.0}, 2**31)
    assert shares.larger_than(usual) == MachineShare({"CPU": 4.0}, 2**33)
    alone = TrialShares(
        {"CPU": 1.0}, LearnedMemory(SPEC, []), lambda: [{"CPU": 4.0}], memory_bytes=(2**33, 1)
    )
    assert alone.larger_than(alone.usual(CONFIG)) is None
    assert alone.larger_than(usual) == MachineShare({"CPU": 4.0}, 2**33), "of an earlier driver"


def test_a_share_of_a_gpu_stands_for_its_part_of_the_memory() -> None:
    shares = TrialShares(
        {"CPU": 1.0, "GPU": 0.25},
        LearnedMemory(SPEC, []),
        lambda: [{"CPU": 4.0, "GPU": 1.0}],
        gpu_bytes=lambda: [80 * 2**30, 40 * 2**30],
    )
    usual = shares.usual(CONFIG)
    assert str(usual) == "1/4 of a GPU (10.00 GiB)"
    assert str(shares.larger_than(usual)) == "a whole GPU (40.00 GiB)"


def test_nothing_is_proposed_while_a_larger_request_waits_for_a_machine_that_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    states = dict[str, str]()

    def request(bundles: list[Mapping[str, float]], **_: object) -> str:
        name = f"of {bundles[0]['memory'] / R:g}"
        states[name] = "PENDING"
        return name

    monkeypatch.setattr(trial_placement, "placement_group", request)
    monkeypatch.setattr(
        trial_placement, "placement_group_table", lambda group: {"state": states[group]}
    )
    machines = [MACHINE]
    said = list[str]()
    shares = TrialShares(NEEDS, LearnedMemory(SPEC, []), lambda: machines, warn=said.append)
    usual = MachineShare(NEEDS, int(R))
    larger = shares.larger_than(usual)
    assert larger is not None
    shares.placement(usual).to_placement_group()
    assert (shares.n_waiting(), shares.larger_waits()) == (1, False)
    shares.placement(larger).to_placement_group()
    assert (shares.n_waiting(), shares.larger_waits()) == (2, True)
    machines[:] = [{"CPU": 4.0, "memory": R}]
    assert not said
    assert not shares.larger_waits(), "the machine that it waits for has gone"
    (sentence,) = said
    assert sentence.startswith("a trial waits for 4.00 GiB of memory, which no machine has any")
    machines[:] = [MACHINE]
    states["of 2"] = "CREATED"
    assert not shares.larger_waits()
