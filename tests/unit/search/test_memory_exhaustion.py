from pathlib import Path

import pytest
import torch

from deft_sweeps.errors import InfeasibleTrialError, TrialError
from deft_sweeps.result import FailedTrial
from deft_sweeps.search.memory_exhaustion import (
    is_out_of_memory,
    micro_batches_of,
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


def test_the_finest_split_that_runs_out_makes_a_trial_infeasible(tmp_path: Path) -> None:
    files = UnfinishedTrial(SweepDir(tmp_path), CONFIG.trial_id(0))
    for expected in (1, 4, CONFIG.training.batch_size):
        assert micro_batches_of(CONFIG, files) == expected
        note_exhaustion(CONFIG, files)
    for _ in range(2):
        with pytest.raises(InfeasibleTrialError, match="with 1 example at a time"):
            micro_batches_of(CONFIG, files)
        note_exhaustion(CONFIG, files)


@pytest.mark.parametrize(("log", "n", "is_infeasible"), [(KILLED, 4, True), (DIED, 1, False)])
def test_the_driver_notes_a_kill_for_memory_and_a_resume_knows_it(
    tmp_path: Path, log: str, n: int, is_infeasible: bool
) -> None:
    spec, sweep = fake_spec(1, first=(plain(1e-3),)), SweepDir(tmp_path / "sweep")
    searcher = StudySearcher(spec, sweep, target=1, first=spec.first)
    searcher.suggest("a")
    searcher.note_lost("a", last_failure(log))
    resumed = UnfinishedTrial(SweepDir(tmp_path / "sweep"), CONFIG.trial_id(0))
    assert micro_batches_of(CONFIG, resumed) == n
    searcher.on_trial_complete("a", error=True)
    (result,) = sweep.results()
    assert isinstance(result, FailedTrial)
    assert result.infeasible is is_infeasible
