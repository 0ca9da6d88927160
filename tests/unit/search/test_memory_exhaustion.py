from dataclasses import replace
from pathlib import Path

import pytest
import torch

from deft_sweeps.config.axes import DensityLoss
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.errors import InfeasibleTrialError, TrialError
from deft_sweeps.result import FailedTrial, MachineShare, OutOfMemory
from deft_sweeps.search.memory_exhaustion import (
    exhausted_shares,
    is_out_of_memory,
    micro_batches_of,
    next_share,
    note_exhaustion,
    was_killed_for_memory,
)
from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.store.secrets import last_failure
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.unfinished_trial import UnfinishedTrial
from tests.fakes import fake_spec, plain

CONFIG = fake_spec().config(plain(1e-3))
KILLED = """Failure # 1 (occurred at 2026-11-28_01-00-00)
Task was killed due to the node running low on memory.
Memory on the node (IP: 10.77.0.1, ID: ab) where the lease (actor ID: cd, \
name=ImplicitFunc.__init__, pid=7, memory used=0.4GB) was running was 15.2GB / 16GB.
"""
DIED = """Failure # 1 (occurred at 2026-11-28_01-00-00)
The actor died unexpectedly before finishing this task.
The actor is dead because its worker process has died.
"""


def test_every_way_in_which_memory_runs_out_is_one() -> None:
    whole_address_space = 1 << 60
    with pytest.raises(RuntimeError) as allocator:
        torch.empty(whole_address_space, dtype=torch.uint8)
    for error in (MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), allocator.value):
        assert is_out_of_memory(error), error
    for other in (RuntimeError("CUDA error: device-side assert"), TrialError("no"), OSError(28)):
        assert not is_out_of_memory(other), other


def test_a_kill_by_rays_memory_monitor_is_told_from_other_deaths() -> None:
    assert was_killed_for_memory(last_failure(KILLED))
    assert not was_killed_for_memory(last_failure(DIED))


USUAL = MachineShare({"CPU": 1.0, "memory": 2.0**31}, 2**31)
LARGER = MachineShare({"CPU": 1.0, "memory": 2.0**32}, 2**32)


def share_for(
    files: UnfinishedTrial, larger: MachineShare | None, config: TrialConfig = CONFIG
) -> MachineShare:
    """The share of the next attempt; `larger` is what there is besides the usual one."""
    exhausted = exhausted_shares(config, files.exhaustions())
    return next_share(exhausted, USUAL, lambda _: larger)


def attempts(
    files: UnfinishedTrial, larger: MachineShare | None, config: TrialConfig = CONFIG
) -> tuple[list[tuple[int, MachineShare]], str]:
    """Split and share of each attempt at a trial that always runs out of memory, and its end."""
    made = []
    while True:
        share = share_for(files, larger, config)
        try:
            made.append((micro_batches_of(config, files.exhaustions(), share), share))
        except InfeasibleTrialError as error:
            return made, str(error)
        assert note_exhaustion(config, files, share)


def test_a_trial_gets_finer_splits_then_a_larger_share_then_it_is_infeasible(
    tmp_path: Path,
) -> None:
    files = UnfinishedTrial(SweepDir(tmp_path), CONFIG.trial_id(0))
    made, why = attempts(files, LARGER)
    assert made == [(1, USUAL), (4, USUAL), (16, USUAL), (16, LARGER)]
    assert why == (
        "it ran out of memory with 1 example at a time in 2.00 GiB of memory and in 4.00 GiB of"
        " memory"
    )
    resumed = UnfinishedTrial(SweepDir(tmp_path), CONFIG.trial_id(0))
    assert attempts(resumed, LARGER) == ([], why)
    assert not note_exhaustion(CONFIG, resumed, LARGER)


def test_without_a_larger_share_single_examples_are_the_end(tmp_path: Path) -> None:
    files = UnfinishedTrial(SweepDir(tmp_path), CONFIG.trial_id(0))
    made, why = attempts(files, None)
    assert made == [(1, USUAL), (4, USUAL), (16, USUAL)]
    assert why.endswith("in 2.00 GiB of memory, and no machine has a larger share for it")
    assert share_for(files, LARGER) == LARGER, "a larger node may have joined since"


def test_a_loss_over_the_whole_batch_goes_to_the_larger_share_at_once(tmp_path: Path) -> None:
    config = replace(CONFIG, density=DensityLoss(reduction="feature_map"))
    made, _ = attempts(UnfinishedTrial(SweepDir(tmp_path), config.trial_id(0)), LARGER, config)
    assert made == [(1, USUAL), (1, LARGER)]


def test_memory_that_runs_out_outside_training_is_not_answered_by_splits(tmp_path: Path) -> None:
    files = UnfinishedTrial(SweepDir(tmp_path), CONFIG.trial_id(0))
    assert note_exhaustion(CONFIG, files, USUAL, in_training=False)
    assert share_for(files, LARGER) == LARGER


@pytest.mark.parametrize(("log", "n", "is_infeasible"), [(KILLED, 4, True), (DIED, 1, False)])
def test_the_driver_notes_a_kill_for_memory_and_a_resume_knows_it(
    tmp_path: Path, log: str, n: int, is_infeasible: bool
) -> None:
    spec, sweep = fake_spec(1, first=(plain(1e-3),)), SweepDir(tmp_path / "sweep")
    searcher = StudySearcher(spec, sweep, target=1, first=spec.first)
    searcher.suggest("a")
    searcher.shares["a"] = USUAL
    assert searcher.note_lost("a", last_failure(log)) is is_infeasible
    resumed = UnfinishedTrial(SweepDir(tmp_path / "sweep"), CONFIG.trial_id(0))
    assert micro_batches_of(CONFIG, resumed.exhaustions(), USUAL) == n
    searcher.on_trial_complete("a", error=True)
    (result,) = sweep.results()
    assert isinstance(result, FailedTrial)
    assert result.infeasible is is_infeasible
    assert result.exhaustions == ((OutOfMemory(1, USUAL),) if is_infeasible else ())
