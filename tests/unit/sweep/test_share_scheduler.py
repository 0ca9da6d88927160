"""What a trial requests when it is proposed, runs out of memory, and is resumed."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from deft_sweeps.config.trial import codec
from deft_sweeps.result import MachineShare
from deft_sweeps.search.memory_exhaustion import note_exhaustion
from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.search.trial_report import SHARE, report
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.unfinished_trial import UnfinishedTrial
from deft_sweeps.sweep.learned_memory import LearnedMemory
from deft_sweeps.sweep.share_scheduler import ShareScheduler
from deft_sweeps.sweep.trial_shares import TrialShares
from tests.fakes import fake_spec, plain

SPEC = fake_spec(1, first=(plain(1e-3),))
CONFIG = SPEC.config(plain(1e-3))
R = float(2**31)
USUAL = MachineShare({"CPU": 1.0, "memory": R}, int(R))
LARGER = MachineShare({"CPU": 1.0, "memory": 2 * R}, int(2 * R))
KILLED = """Failure # 1 (occurred at 2026-11-28_01-00-00)
Task was killed due to the node running low on memory.
Memory on the node (IP: 10.77.0.1) was 15.2GB / 16GB.
"""
DIED = """Failure # 1 (occurred at 2026-11-28_01-00-00)
The actor died unexpectedly before finishing this task.
The actor is dead because its worker process has died.
"""


class FakeTrial(SimpleNamespace):
    """As much of Tune's trial as the scheduler uses."""

    def set_config(self, config: dict[str, Any]) -> None:
        self.config = config

    def update_resources(self, placement: Any) -> None:
        assert self.status != Trial.RUNNING
        self.placement_group_factory = placement

    @property
    def share(self) -> MachineShare:
        share: MachineShare = codec(MachineShare).validate_json(self.config[SHARE])
        return share

    @property
    def requested(self) -> dict[str, float]:
        """Of Ray, by its names."""
        (bundle,) = self.placement_group_factory.bundles
        return dict(bundle)


class FakeController:
    """As much of Tune's controller."""

    def __init__(self, *trials: FakeTrial) -> None:
        self.trials = trials

    def get_trials(self) -> tuple[FakeTrial, ...]:
        return self.trials

    def pause_trial(self, trial: FakeTrial, *, should_checkpoint: bool) -> None:
        assert not should_checkpoint
        assert trial.share == USUAL, "Tune hands the worker on by its old request"
        trial.status = Trial.PAUSED


def files(root: Path) -> UnfinishedTrial:
    return UnfinishedTrial(SweepDir(root), CONFIG.trial_id(0))


def begun(
    root: Path, memory: float = 4 * R, said: list[str] | None = None
) -> tuple[ShareScheduler, FakeTrial, FakeController]:
    """A driver on that folder whose one trial is running."""
    searcher = StudySearcher(SPEC, SweepDir(root), target=1, first=SPEC.first)
    machines = [{"CPU": 4.0, "memory": memory}]
    shares = TrialShares(USUAL.resources, LearnedMemory(SPEC, []), lambda: machines)
    scheduler = ShareScheduler(
        searcher, shares, warn=(lambda _: None) if said is None else said.append
    )
    config = searcher.suggest("a")
    trial = FakeTrial(
        trial_id="a",
        config=config,
        unresolved_config=config,
        placement_group_factory=shares.placement(USUAL),
        status=Trial.PENDING,
        max_failures=2,
    )
    controller = FakeController(trial)
    scheduler.on_trial_add(controller, trial)
    trial.status = Trial.RUNNING
    return scheduler, trial, controller


def exhaust(root: Path, share: MachineShare) -> None:
    """Note every split of the trial as too large for this share."""
    while note_exhaustion(CONFIG, files(root), share):
        pass


def test_a_trial_whose_share_is_exhausted_goes_on_in_a_larger_one(tmp_path: Path) -> None:
    said = list[str]()
    scheduler, trial, controller = begun(tmp_path, said=said)
    assert trial.share == USUAL
    assert scheduler.on_trial_result(controller, trial, report(2)) == TrialScheduler.CONTINUE
    exhaust(tmp_path, USUAL)
    decision = scheduler.on_trial_result(controller, trial, report(2, is_exhausted=True))
    assert (decision, trial.status) == (TrialScheduler.NOOP, Trial.PAUSED)
    assert (trial.share, trial.requested) == (LARGER, LARGER.resources)
    assert said == [
        f"{CONFIG.trial_id(0)} ran out of memory in 2.00 GiB of memory however its batches were"
        " split, and goes on from its checkpoint in 4.00 GiB of memory"
    ]
    assert scheduler.choose_trial_to_run(controller) is trial


@pytest.mark.parametrize("n_shares", [1, 2])
def test_a_resumed_driver_knows_where_its_trial_stands(tmp_path: Path, n_shares: int) -> None:
    begun(tmp_path)
    for share in (USUAL, LARGER)[:n_shares]:
        exhaust(tmp_path, share)
    scheduler, trial, controller = begun(tmp_path)
    assert trial.share == LARGER
    assert trial.requested == (LARGER if n_shares == 1 else USUAL).resources
    if n_shares == 2:  # Its worker says that the trial is infeasible.
        ended = report(2, is_exhausted=True)
        assert scheduler.on_trial_result(controller, trial, ended) == TrialScheduler.CONTINUE


def test_tune_holds_a_trials_settings_once(tmp_path: Path) -> None:
    _, trial, _ = begun(tmp_path)
    assert trial.config is trial.unresolved_config


def test_a_trial_that_is_infeasible_waits_for_no_machine_that_has_gone(tmp_path: Path) -> None:
    for share in (USUAL, LARGER):
        exhaust(tmp_path, share)
    _, trial, _ = begun(tmp_path, memory=R)
    assert (trial.share, trial.requested) == (LARGER, USUAL.resources)


def test_where_no_machine_has_more_its_worker_ends_the_trial(tmp_path: Path) -> None:
    scheduler, trial, controller = begun(tmp_path, memory=R)
    exhaust(tmp_path, USUAL)
    decision = scheduler.on_trial_result(controller, trial, report(2, is_exhausted=True))
    assert (decision, trial.status, trial.share) == (
        TrialScheduler.CONTINUE,
        Trial.RUNNING,
        USUAL,
    )


@pytest.mark.parametrize(("log", "n_more"), [(KILLED, 4), (DIED, 0)])
def test_kills_for_memory_do_not_count_as_failures_of_workers(
    tmp_path: Path, log: str, n_more: int
) -> None:
    """Three splits in the usual share and one in the larger one: no fifth kill is another step."""
    scheduler, trial, controller = begun(tmp_path / "sweep")
    trial.error_file = str(tmp_path / "error.txt")
    Path(trial.error_file).write_text(log)
    shares = []
    for _ in range(5):
        trial.status = Trial.ERROR
        scheduler.on_trial_error(controller, trial)
        shares.append(trial.share)
        trial.status = Trial.RUNNING
    assert trial.max_failures == 2 + n_more
    assert shares == [USUAL] * 2 + [LARGER] * 3 if n_more else [USUAL] * 5
