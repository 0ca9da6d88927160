import gc
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from deft_sweeps.outcomes import ExampleScores
from deft_sweeps.result import CompleteTrial
from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.search.trial_report import report
from deft_sweeps.specification.combination import Start
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep import runner
from deft_sweeps.sweep.driver import Driver
from deft_sweeps.sweep.progress import Progress
from deft_sweeps.sweep.runner import Outcome, run_sweep
from deft_sweeps.sweep.trial_goal import TrialGoal
from tests.fakes import FakeMaker, fake_result, fake_spec, plain
from tests.played_search import trial_of

MARK = 0.123


def heavy() -> int:
    """Results in memory that hold the scores of single examples, of those that this test made."""
    gc.collect()
    results = [thing for thing in gc.get_objects() if type(thing) is CompleteTrial]
    return sum(
        list(result.points[0].example_scores)[:1] == [MARK] for result in results if result.points
    )


def test_a_resumed_driver_holds_no_scores_of_single_examples_while_trials_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are most of what a result takes: a thousand results of a few hundred examples are a
    hundred megabytes.
    """
    spec, sweep, held = fake_spec(4), SweepDir(tmp_path / "sweep"), list[int]()
    for seed in range(3):
        result = fake_result(spec.config(plain(1e-3)), seed)
        marked = ExampleScores.of((MARK,) * 200)
        points = tuple(replace(point, example_scores=marked) for point in result.points)
        sweep.write(replace(result, points=points))
    del result
    whole = sweep.results()
    assert heavy() == 3
    del whole

    def drive(*_: object) -> Outcome:
        held.append(heavy())
        return Outcome(0, 0, False)

    monkeypatch.setattr(runner, "_drive", drive)
    run_sweep(spec, sweep, FakeMaker(tmp_path), view=lambda _: None, resume=True)
    assert held == [0]


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), ValueError("I/O operation on closed file")]
)
def test_nothing_that_only_shows_a_sweep_ends_it(tmp_path: Path, error: Exception) -> None:
    def view(progress: Progress) -> None:
        shown.append(progress.n_done)
        raise error

    shown: list[int] = []
    spec, sweep = fake_spec(4), SweepDir(tmp_path / "sweep")
    sweep.root.mkdir()
    driver = Driver(spec, sweep, (), TrialGoal(4), view)
    driver.finished(fake_result(spec.config(plain(1e-3)), 0))
    driver.beat(now=True)
    assert shown == [1, 1]


def test_a_follow_up_is_noted_before_it_runs_and_a_killed_driver_loses_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, sweep = fake_spec(2), SweepDir(tmp_path / "sweep")
    ran: list[str] = []

    class KilledError(BaseException):
        pass

    def run(driver: Driver, searcher: StudySearcher, *_: object) -> None:
        """Ray Tune without Ray, until the trial of the follow-up is about to run."""
        while (proposal := searcher.suggest("tune")) != "FINISHED":
            config, seed = trial_of(proposal)
            if driver.phase and config.trial_id(seed) not in ran:
                ran.append(config.trial_id(seed))
                raise KilledError
            ran.append(config.trial_id(seed))
            searcher.on_trial_complete("tune", report(20, (), fake_result(config, seed)))

    monkeypatch.setattr(runner, "run_tune", run)
    monkeypatch.setattr(
        runner,
        "ray_session",
        lambda *_, **__: nullcontext(SimpleNamespace(head=None, node_socket=None)),
    )
    monkeypatch.setattr(runner, "head_watch", lambda *_: nullcontext())
    monkeypatch.setattr(
        runner, "_end", lambda _, follower: follower.close(interrupted=True, patience_sec=0.0)
    )

    def swept(*points: Start) -> Outcome:
        return run_sweep(
            spec,
            sweep,
            FakeMaker(tmp_path),
            view=lambda _: None,
            resume=True,
            follow_up=lambda: ("plain PEFT", points),
        )

    with pytest.raises(KilledError):
        swept(plain(3e-3))
    note = sweep.note()
    assert note is not None
    assert (note.n_budget, len(sweep.results())) == (3, 2)
    outcome = swept()
    assert (outcome.n_complete, len(ran), len(set(ran))) == (3, 4, 3)
    assert ran[2] == ran[3], "the trial that ran when the driver was killed is taken up"
    more = run_sweep(spec, sweep, FakeMaker(tmp_path), view=lambda _: None, more=1, resume=True)
    assert (more.n_complete, len(set(ran))) == (4, 4)
