import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from deft_sweeps.config.trial import TrialConfig, codec
from deft_sweeps.errors import TrialError
from deft_sweeps.result import Advance, FailedTrial, Point, read_result
from deft_sweeps.search.search_end import trial_sec
from deft_sweeps.search.trial_report import (
    ATTEMPT,
    EXHAUSTED,
    RESULT,
    TROUBLE,
    reported_rung,
    reported_steps,
)
from deft_sweeps.specification.search_settings import Halving, NoStopping, Stopping
from deft_sweeps.store.checkpoint_file import packed, read_checkpoint
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.unfinished_trial import UnfinishedTrial
from deft_sweeps.sweep import trainable as module
from deft_sweeps.sweep.trainable import TrialTrainable
from deft_sweeps.trial.protocol import TrialStarter, TrialStarterFactory
from tests.fakes import (
    N_STEPS,
    THRESHOLDS,
    FakeMaker,
    FakeRun,
    Fault,
    fake_point,
    fake_spec,
    fake_weights,
    plain,
)
from tests.samples import error_of

CONFIG = fake_spec().config(plain(1e-3))


def settings(config: TrialConfig = CONFIG, seed: int = 0) -> dict[str, object]:
    return {"config": codec(TrialConfig).dump_json(config).decode(), "seed": seed}


def worker(
    tmp_path: Path,
    fault: Fault | None = None,
    *,
    maker: TrialStarterFactory | None = None,
    every: float | None = 0.0,
    stopping: Stopping | None = None,
    may_be_replaced: bool = True,
) -> TrialTrainable:
    """A worker's trainable without Ray around it."""
    trainable = TrialTrainable.__new__(TrialTrainable)
    fake = FakeMaker(tmp_path, {CONFIG.config_id: fault} if fault else {})
    trainable.setup(
        settings(),
        maker=maker or fake,
        folder=str(tmp_path / "sweep"),
        n_threads=1,
        checkpoint_every_sec=every,
        stopping=stopping or NoStopping(),
        rung_thresholds=THRESHOLDS,
        may_be_replaced=may_be_replaced,
    )
    return trainable


def files(tmp_path: Path, config: TrialConfig = CONFIG) -> UnfinishedTrial:
    """What the workers of `worker` write of a trial."""
    return UnfinishedTrial(SweepDir(tmp_path / "sweep"), config.trial_id(0))


def accept(tmp_path: Path, last: dict[str, Any]) -> None:
    """Take the weights of the attempt whose last report this is, as the driver does."""
    files(tmp_path).accept(last[ATTEMPT])


DAMAGES = ("truncated", "empty", "changed", "foreign", "of nobody")


def damage(path: Path, how: str) -> None:
    """Damage a checkpoint; `changed` still reads as a state, of another step."""
    content = path.read_bytes()
    assert b'"step": ' in content
    other = packed(f"{'0' * 12}-s1", b'{"step": 19, "elapsed_sec": 0.0}')
    damaged = {
        "truncated": content[:-3],
        "empty": b"",
        "changed": content.replace(b'"step": ', b'"step": 1'),
        "foreign": other,
        "of nobody": os.urandom(len(content)),
    }
    path.write_bytes(damaged[how])


@pytest.fixture(autouse=True)
def _same_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))


def test_a_trial_advances_in_rungs_and_ends_with_its_result_and_weights(tmp_path: Path) -> None:
    trainable = worker(tmp_path)
    reports: list[dict[str, Any]] = []
    while not reports or RESULT not in reports[-1]:
        reports.append(trainable.step())
    assert [r["step"] for r in reports] == list(range(2, N_STEPS + 1, 2))
    assert [m.step for r in reports for m in reported_steps(r)] == list(range(1, N_STEPS + 1))
    assert [bool(r.get("done")) for r in reports] == [False] * 9 + [True]
    result = read_result(reports[-1][RESULT].encode())
    assert result.status == "complete"
    assert result.trial_id == CONFIG.trial_id(0)
    accept(tmp_path, reports[-1])
    weights = SweepDir(tmp_path / "sweep").weights_path(result.trial_id)
    assert weights.read_bytes() == fake_weights(result.trial_id)


def test_a_worker_taken_up_again_goes_on_from_the_checkpoint(tmp_path: Path) -> None:
    first = worker(tmp_path)
    for _ in range(3):
        first.step()
    second = worker(tmp_path)
    assert second.step()["step"] == 8
    assert FakeMaker(tmp_path).notes("start") == [(CONFIG.trial_id(0), 0), (CONFIG.trial_id(0), 6)]


def test_a_pause_of_days_does_not_count_as_the_trials_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a trial took counts against the hours of the budget."""
    clock = [1e9]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    first = worker(tmp_path)
    first.step()
    clock[0] += 600.0
    first.step()
    clock[0] += 3 * 86400.0
    second = worker(tmp_path)
    reports = [second.step()]
    clock[0] += 60.0
    while RESULT not in reports[-1]:
        reports.append(second.step())
    assert trial_sec([read_result(reports[-1][RESULT].encode())], (), clock[0]) == pytest.approx(
        660.0
    )


def test_a_checkpoint_is_not_written_more_often_than_asked(tmp_path: Path) -> None:
    trainable = worker(tmp_path, every=3600.0)
    trainable.step()
    trial = files(tmp_path)
    assert trial.checkpoint() is None
    assert trainable.save_checkpoint("") == {}
    assert trial.checkpoint() is not None


def test_checkpoints_are_as_far_apart_as_they_are_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reports come every 10 s of training, and a checkpoint takes half a second."""
    clock, saved_at = [1000.0], []
    advance, state = FakeRun.advance, FakeRun.state
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def slow_advance(self: FakeRun, n_steps: int) -> Advance:
        clock[0] += 10.0
        return advance(self, n_steps)

    def slow_state(self: FakeRun) -> bytes:
        saved_at.append(self.step)
        clock[0] += 0.5
        return state(self)

    monkeypatch.setattr(FakeRun, "advance", slow_advance)
    monkeypatch.setattr(FakeRun, "state", slow_state)
    trainable = worker(tmp_path, every=None)
    while RESULT not in trainable.step():
        pass
    assert saved_at == [4, 10, 16], "after 20 s, as nothing is measured yet, and then every 30 s"


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("earlier", [False, True])
def test_a_checkpoint_that_cannot_be_used_costs_its_steps_and_is_named(
    tmp_path: Path, how: str, earlier: bool
) -> None:
    """The trial goes on from an earlier attempt's, if there is one."""
    first = worker(tmp_path)
    for _ in range(2 if earlier else 0):
        first.step()
    second = worker(tmp_path)
    for _ in range(3):
        second.step()
    path, *others = files(tmp_path).checkpoints()
    assert len(others) == earlier
    damage(path, how)
    third = worker(tmp_path)
    reported = third.step()
    step = 4 if earlier else 0
    assert reported["step"] == step + 2
    assert FakeMaker(tmp_path).notes("start")[-1] == (CONFIG.trial_id(0), step)
    starts = "from an earlier checkpoint" if earlier else "from its first step instead of a"
    assert reported[TROUBLE].startswith(f"it starts {starts}")
    assert TROUBLE not in third.step(), "said once"


@pytest.mark.parametrize(
    "error", [MemoryError("no room"), type("OutOfMemoryError", (RuntimeError,), {})("no room")]
)
def test_a_checkpoint_is_kept_for_the_next_attempt_where_there_was_no_room_for_it(
    tmp_path: Path, error: Exception
) -> None:
    first = worker(tmp_path)
    for _ in range(3):
        first.step()

    def maker() -> TrialStarter:
        def start(config: TrialConfig, seed: int, state: bytes | None = None) -> FakeRun:
            raise error

        return start

    with pytest.raises(TrialError, match="no room"):
        worker(tmp_path, maker=maker).step()
    assert worker(tmp_path).step()["step"] == 8


@dataclass(frozen=True)
class HungryMaker(FakeMaker):
    """Trials that run out of memory at step 7 unless they hold at most `n_fits` examples."""

    n_fits: int = 1

    def __call__(self) -> TrialStarter:
        def start(config: TrialConfig, seed: int, state: bytes | None) -> FakeRun:
            begun = self.start(config, seed, state)
            return HungryRun(config, seed, self, begun.step, begun.started_at, n_fits=self.n_fits)

        return start


@dataclass
class HungryRun(FakeRun):
    n_fits: int = 1

    def advance(self, n_steps: int) -> Advance:
        n_held = self.config.training.batch_size / self.n_micro_batches
        if self.step + n_steps > 7 and n_held > self.n_fits:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return super().advance(n_steps)


def test_out_of_memory_costs_the_steps_since_the_checkpoint_and_splits_the_batch(
    tmp_path: Path,
) -> None:
    """Batches of 16, of which 4 fit: the second attempt does it, in the same worker."""
    maker = HungryMaker(tmp_path, n_fits=4)
    trainable = worker(tmp_path, maker=maker)
    reports: list[dict[str, Any]] = []
    while not reports or RESULT not in reports[-1]:
        reports.append(trainable.step())
    result = read_result(reports[-1][RESULT].encode())
    assert (result.status, result.trial_id) == ("complete", CONFIG.trial_id(0))
    assert [m.step for r in reports for m in reported_steps(r)] == list(range(1, N_STEPS + 1))
    assert [r[TROUBLE] for r in reports if TROUBLE in r] == [
        "goes on from its checkpoint in 4 micro-batches a step: OutOfMemoryError: CUDA out of"
        " memory. Tried to allocate 20.00 MiB"
    ]
    assert maker.notes("start") == [(result.trial_id, 0), (result.trial_id, 6)]
    assert maker.notes("split") == [(result.trial_id, 4)]


def test_the_next_worker_goes_on_with_the_split_that_memory_sufficed_for(tmp_path: Path) -> None:
    maker = HungryMaker(tmp_path, n_fits=4)
    first = worker(tmp_path, maker=maker)
    while TROUBLE not in first.step():
        pass
    second = worker(tmp_path, maker=maker)
    assert second.step()["step"] == 8
    assert maker.notes("split") == [(CONFIG.trial_id(0), 4)]


def test_a_trial_that_does_not_fit_by_single_examples_is_infeasible(tmp_path: Path) -> None:
    maker = HungryMaker(tmp_path, n_fits=0)
    trainable = worker(tmp_path, maker=maker)
    reports: list[dict[str, Any]] = []
    while not reports or RESULT not in reports[-1]:
        reports.append(trainable.step())
    result = read_result(reports[-1][RESULT].encode())
    assert isinstance(result, FailedTrial)
    assert result.infeasible
    assert result.error.startswith("InfeasibleTrialError: it ran out of memory with 1 example")
    assert [n for _, n in maker.notes("split")] == [4, 16]
    assert [bool(r.get(EXHAUSTED)) for r in reports[-2:]] == [True, False]
    trainable.reset_config(settings(fake_spec().config(plain(5e-3))))
    assert TROUBLE not in trainable.step(), "the worker goes on, and the next trial starts whole"
    assert [n for _, n in maker.notes("split")] == [4, 16]


def test_what_a_trial_raises_becomes_a_failed_result(tmp_path: Path) -> None:
    trainable = worker(tmp_path, "raise")
    for _ in range(3):
        trainable.step()
    result = read_result(trainable.step()[RESULT].encode())
    assert error_of(result) == ("TrialError: loss is not finite at step 7")
    assert not list((tmp_path / "sweep").rglob("*.safetensors"))


def test_a_base_that_cannot_be_loaded_fails_the_trial_without_secrets(tmp_path: Path) -> None:
    def maker() -> TrialStarter:
        raise OSError("cannot fetch https://ann:hunter2@hub/model\nsecond line")

    result = read_result(worker(tmp_path, maker=maker).step()[RESULT].encode())
    assert error_of(result) == "OSError: cannot fetch https://***@hub/model"


def test_the_next_trial_of_a_worker_starts_afresh_with_the_same_starter(tmp_path: Path) -> None:
    trainable = worker(tmp_path)
    for _ in range(4):
        trainable.step()
    other = fake_spec().config(plain(5e-3))
    assert trainable.reset_config(settings(other, seed=3))
    assert trainable.step()["step"] == 2
    fake = FakeMaker(tmp_path)
    assert fake.notes("start")[-1] == (other.trial_id(3), 0)
    assert len(fake.notes("worker")) == 1


def test_reports_end_at_rungs_and_carry_what_was_measured_there(tmp_path: Path) -> None:
    trainable = worker(tmp_path, stopping=Halving())
    reports: list[dict[str, Any]] = []
    while not reports or RESULT not in reports[-1]:
        reports.append(trainable.step())
        if reported_rung(reports[-1]):
            checkpoint = files(tmp_path).checkpoint()
            assert checkpoint is not None
            state = read_checkpoint(checkpoint, CONFIG.trial_id(0))
            assert json.loads(state)["step"] == reports[-1]["step"]
    assert [r["step"] for r in reports] == [2, 4, 6, 7, 9, 11, 13, 15, 17, 19, 20]
    rungs = [rung for r in reports if (rung := reported_rung(r))]
    assert [(rung.step, [point.threshold for point in rung.points]) for rung in rungs] == [
        (2, list(THRESHOLDS)),
        (7, list(THRESHOLDS)),
    ]
    assert read_result(reports[-1][RESULT].encode()).rungs == tuple(rungs)
    assert files(tmp_path).rungs() == tuple(rungs)


def test_a_rung_is_told_again_after_a_restart_and_not_measured_again(tmp_path: Path) -> None:
    first = worker(tmp_path, stopping=Halving())
    told_first = first.step()
    second = worker(tmp_path, stopping=Halving())
    assert reported_rung(second.step()) == reported_rung(told_first)
    assert [second.step()["step"] for _ in range(3)] == [4, 6, 7]
    assert FakeMaker(tmp_path).notes("measure") == [
        (CONFIG.trial_id(0), 2),
        (CONFIG.trial_id(0), 7),
    ]


def test_what_is_not_finite_at_a_rung_fails_the_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(self: FakeRun, thresholds: tuple[float, ...]) -> tuple[Point, ...]:
        return tuple(
            fake_point(self.config, self.seed, t, loss=float("nan") if self.step == 7 else None)
            for t in thresholds
        )

    monkeypatch.setattr(FakeRun, "measure", measure)
    trainable = worker(tmp_path, stopping=Halving())
    reports = [trainable.step() for _ in range(4)]
    result = read_result(reports[-1][RESULT].encode())
    assert error_of(result) == ("TrialError: what was measured at step 7 is not finite")
    assert [rung.step for rung in result.rungs] == [2]


@pytest.mark.parametrize("may_be_replaced", [True, False])
def test_after_something_unforeseen_a_worker_leaves_the_next_trial_to_another_one(
    tmp_path: Path, may_be_replaced: bool
) -> None:
    """An error of a GPU stays with the process: each trial that came after would fail of it, within
    a moment.
    """

    def maker() -> TrialStarter:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    trainable = worker(tmp_path, maker=maker, may_be_replaced=may_be_replaced)
    assert error_of(read_result(trainable.step()[RESULT].encode())).startswith(
        "RuntimeError: CUDA error"
    )
    trainable.reset_config(settings(seed=1))
    if may_be_replaced:
        with pytest.raises(TrialError, match="left the worker in doubt: RuntimeError: CUDA error"):
            trainable.step()
    else:
        assert read_result(trainable.step()[RESULT].encode()).status == "failed"


def test_a_loss_that_is_not_finite_leaves_the_worker_as_it_is(tmp_path: Path) -> None:
    trainable = worker(tmp_path, "raise")
    while RESULT not in trainable.step():
        pass
    trainable.reset_config(settings(fake_spec().config(plain(5e-3))))
    assert trainable.step()["step"] == 2


def test_a_trained_trial_whose_weights_find_no_room_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAIT_SEC", 0.0)
    trainable, sweep = worker(tmp_path), SweepDir(tmp_path / "sweep")
    sweep.root.mkdir()
    sweep.unfinished_path.write_text("in the way")
    for _ in range(N_STEPS // 2 - 1):
        trainable.step()
    first, second = trainable.step(), trainable.step()
    assert "weights cannot be written, waiting" in first[TROUBLE]
    assert (len(reported_steps(first)), len(reported_steps(second))) == (2, 0), (
        "steps are told once"
    )
    assert RESULT not in first | second
    sweep.unfinished_path.unlink()
    last = trainable.step()
    result = read_result(last[RESULT].encode())
    assert result.status == "complete"
    accept(tmp_path, last)
    assert sweep.weights_path(result.trial_id).read_bytes() == fake_weights(result.trial_id)
