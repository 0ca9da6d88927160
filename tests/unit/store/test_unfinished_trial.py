from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from deft_sweeps.config.trial import codec
from deft_sweeps.errors import TrialError
from deft_sweeps.result import MachineShare, OutOfMemory, Rung
from deft_sweeps.store.checkpoint_file import read_checkpoint
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.unfinished_trial import UnfinishedTrial, unfinished_trials
from tests.fakes import fake_point, fake_spec, plain

CONFIG = fake_spec().config(plain(1e-3))


@pytest.fixture
def trial(tmp_path: Path) -> UnfinishedTrial:
    return UnfinishedTrial(SweepDir(tmp_path), CONFIG.trial_id(0))


def rungs(*steps: int) -> tuple[Rung, ...]:
    return tuple(Rung(step=step, points=(fake_point(CONFIG, 0, 0.0),)) for step in steps)


def test_no_two_attempts_have_one_number(trial: UnfinishedTrial) -> None:
    with ThreadPoolExecutor(8) as threads:
        attempts = list(threads.map(lambda _: trial.begin(), range(24)))
    assert sorted(attempt.number for attempt in attempts) == list(range(1, 25))


def test_a_later_attempt_goes_on_from_the_latest_checkpoint(trial: UnfinishedTrial) -> None:
    assert (trial.checkpoint(), trial.rungs()) == (None, ())
    attempts = [trial.begin() for _ in range(11)]
    for attempt in attempts[8:10]:  # The number decides, not its first digit.
        attempt.write_checkpoint(b"of %d" % attempt.number)
    attempts[0].write_checkpoint(b"a worker that nobody waits for")
    latest = trial.checkpoint()
    assert latest is not None
    assert [read_checkpoint(path, trial.trial_id) for path in trial.checkpoints()] == [
        b"of 10",
        b"of 9",
        b"a worker that nobody waits for",
    ]
    assert latest == trial.checkpoints()[0]


def test_rungs_are_those_of_the_attempt_that_came_furthest(trial: UnfinishedTrial) -> None:
    first, second = trial.begin(), trial.begin()
    first.write_rungs(rungs(2, 4, 6))
    second.write_rungs(rungs(2))
    assert [rung.step for rung in trial.rungs()] == [2, 4, 6]
    (first.folder / "rungs.json").write_bytes(b"[")
    assert [rung.step for rung in trial.rungs()] == [2]


def test_weights_are_taken_from_the_attempt_that_is_accepted(trial: UnfinishedTrial) -> None:
    first, second = trial.begin(), trial.begin()
    first.write_weights(b"first")
    with pytest.raises(FileNotFoundError):
        trial.accept(second.number)
    second.write_weights(b"second")
    trial.accept(second.number)
    first.write_weights(b"first again")
    assert trial.sweep.weights_path(trial.trial_id).read_bytes() == b"second"


def test_a_trial_that_has_ended_takes_nothing_more(trial: UnfinishedTrial) -> None:
    attempt = trial.begin()
    attempt.write_checkpoint(b"half way")
    assert [each.trial_id for each in unfinished_trials(trial.sweep)] == [trial.trial_id]
    trial.remove()
    for write in (attempt.write_checkpoint, attempt.write_weights):
        with pytest.raises(TrialError, match="ended on another worker"):
            write(b"too late")
    assert unfinished_trials(trial.sweep) == ()


def test_what_an_earlier_version_wrote_is_gone_on_with_and_removed(trial: UnfinishedTrial) -> None:
    root = trial.sweep.root
    for folder in ("checkpoints", "rungs"):
        (root / folder).mkdir()
    (root / "checkpoints" / f"{trial.trial_id}.ckpt").write_bytes(b"half way")
    content = codec(tuple[Rung, ...]).dump_json(rungs(2, 4))
    (root / "rungs" / f"{trial.trial_id}.json").write_bytes(content)
    checkpoint = trial.checkpoint()
    assert checkpoint is not None
    assert read_checkpoint(checkpoint, trial.trial_id) == b"half way"
    assert trial.rungs() == rungs(2, 4)
    attempt = trial.begin()
    attempt.write_checkpoint(b"further")
    assert trial.checkpoint() == attempt.folder / "checkpoint"
    assert [each.trial_id for each in unfinished_trials(trial.sweep)] == [trial.trial_id]
    trial.remove()
    assert unfinished_trials(trial.sweep) == ()


def test_where_memory_ran_out_stays_until_the_trial_has_ended(trial: UnfinishedTrial) -> None:
    first = OutOfMemory(4, MachineShare({"CPU": 1.0, "memory": 2.0**31}, 2**31))
    second = replace(first, n_micro_batches=16)
    assert trial.exhaustions() == ()
    for exhaustion in (first, second, first):
        trial.add_exhaustion(exhaustion)
    assert trial.begin().number == 1
    assert UnfinishedTrial(trial.sweep, trial.trial_id).exhaustions() == (first, second)
    (trial.folder / "out_of_memory.json").write_text("four")
    assert trial.exhaustions() == ()
    trial.remove()
    assert (trial.exhaustions(), trial.folder.exists()) == ((), False)
