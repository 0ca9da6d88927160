"""Every sampler, with and without limits and early stopping, through everything that can happen to
a trial and to the driver.

In this process a driver dies by an error at a named point; on a real Ray workers and drivers are
killed.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from optuna.trial import TrialState

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.errors import StoreError
from deft_sweeps.findings.pareto_front import pareto_front
from deft_sweeps.result import FailedTrial, TrialResult
from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.search.trial_report import report
from deft_sweeps.specification.sampler_entry import ConcreteName
from deft_sweeps.specification.search_settings import Halving, RankName
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.stopping.halving import HalvingRule
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.study.optuna_study import TRIAL_ID, finished
from deft_sweeps.study.proposal import Proposal
from deft_sweeps.study.sweep_study import SweepStudy
from deft_sweeps.sweep.runner import run_sweep
from tests.fakes import FakeMaker, fake_result, plain, with_checkpoints
from tests.played_search import failed, play, trial_of
from tests.running import STATES, counts_are_equal, wait_for
from tests.searches import LIMITS, spec_for

SAMPLERS: tuple[ConcreteName, ...] = get_args(ConcreteName)
CHEAP = tuple(name for name in SAMPLERS if name != "gp")
ALL = [pytest.param(name, marks=() if name in CHEAP else pytest.mark.slow) for name in SAMPLERS]


def store_and_study_agree(searcher: StudySearcher, sweep: SweepDir, n: int) -> None:
    stored = {result.trial_id: STATES[result.status] for result in sweep.results()}
    endings = [(trial.user_attrs[TRIAL_ID], trial.state) for trial in finished(searcher.study)]
    assert len(endings) == len(stored) == searcher.n_finished == n
    assert dict(endings) == stored
    assert not [trial for trial in searcher.study.trials if trial.state == TrialState.RUNNING]


def open_on(spec: SweepSpec, sweep: SweepDir, **more: Any) -> StudySearcher:
    return StudySearcher(spec, sweep, target=spec.budget.trials, first=spec.first, **more)


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("name", ALL)
def test_bad_trials_fail_and_the_search_goes_on(
    name: ConcreteName, limits: str, tmp_path: Path
) -> None:
    spec, sweep = spec_for(name, limits, trials=9), SweepDir(tmp_path)
    searcher = open_on(spec, sweep)

    def bad(config: TrialConfig, seed: int) -> TrialResult:
        n = len(sweep.trial_ids())
        if n == 2:
            return fake_result(config, seed, loss=float("nan"))
        if n == 3:
            result = fake_result(config, seed)
            return replace(
                result, points=tuple(point for point in result.points if point.threshold != 0.01)
            )
        return failed(config, seed) if n == 4 else fake_result(config, seed)

    play(searcher, 6, bad)
    trial_of(searcher.suggest("lost"))
    searcher.on_trial_complete("lost", None, error=True)
    play(searcher, 99, bad)
    store_and_study_agree(searcher, sweep, 9)
    reasons = (
        "no",
        "is a number not finite?",
        "not measured at the objective's threshold",
        "its worker was lost",
    )  # As their clocks say.
    errors = [result.error for result in sweep.results() if isinstance(result, FailedTrial)]
    assert len(errors) == len(reasons)
    assert all(reason in error for reason, error in zip(reasons, errors, strict=True)), errors
    assert all(
        trial.values is None for trial in finished(searcher.study) if trial.state == TrialState.FAIL
    )
    assert pareto_front(sweep.results(), spec.objectives, spec.limits).members


class Died(BaseException):
    """The driver's end, at a point that a signal would have to hit by luck."""


def dies(*_: object, **__: object) -> None:
    raise Died


PHASES: dict[str, Callable[[pytest.MonkeyPatch], object]] = {
    "before it is stored": lambda patch: patch.setattr(SweepDir, "write", dies),
    "stored, not told": lambda patch: patch.setattr(SweepStudy, "tell", dies),
    "told, not followed": lambda patch: None,
    "asked, not named": lambda patch: patch.setattr(SweepStudy, "begin", dies),
}


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("name", ALL)
def test_a_driver_that_dies_anywhere_is_caught_up_with(
    name: ConcreteName, limits: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, sweep = spec_for(name, limits), SweepDir(tmp_path)
    for phase, kill in PHASES.items():
        searcher = open_on(
            spec, sweep, on_finish=dies if phase == "told, not followed" else lambda _: None
        )
        with pytest.MonkeyPatch.context() as patch:
            kill(patch)
            with pytest.raises(Died):
                play(searcher, 99)
    last = open_on(spec, sweep)
    play(last, 99)
    store_and_study_agree(last, sweep, 7)


@pytest.mark.parametrize("name", ALL)
def test_proposals_do_not_depend_on_how_often_the_driver_was_started(
    name: ConcreteName, tmp_path: Path
) -> None:
    through = play(open_on(spec_for(name, "limits"), SweepDir(tmp_path / "a")), 99)
    often: list[str] = []
    while len(often) < 7:
        often += play(open_on(spec_for(name, "limits"), SweepDir(tmp_path / "b")), 2)
    assert often == through


def played_side_by_side(spec: SweepSpec, sweep: SweepDir, *, restart_every: int) -> list[str]:
    """Proposals of a search with three trials at a time, which end out of order; drivers die."""
    ids: list[str] = []
    searcher, running, n_ended = open_on(spec, sweep), list[str](), 0
    while True:
        while len(running) < 3 and isinstance(
            proposed := searcher.suggest(f"tune-{len(ids)}"), dict
        ):
            config, seed = trial_of(proposed)
            running.append(f"tune-{len(ids)}")
            ids.append(config.trial_id(seed))
        if not running:
            return ids
        tune_id = running.pop(n_ended % len(running))
        trial = under_way(searcher, tune_id)
        searcher.on_trial_complete(tune_id, report(20, (), fake_result(trial.config, trial.seed)))
        n_ended += 1
        if n_ended % restart_every == 0:
            order = [under_way(searcher, name).trial_id for name in running]
            searcher, resumed = open_on(spec, sweep), dict[str, str]()
            for name in running:
                config, seed = trial_of(searcher.suggest(name))
                resumed[config.trial_id(seed)] = name
            running = [resumed[trial_id] for trial_id in order]


def under_way(searcher: StudySearcher, tune_id: str) -> Proposal:
    proposal = searcher.proposal(tune_id)
    assert proposal is not None
    return proposal


@pytest.mark.parametrize("name", ALL)
def test_proposals_do_not_depend_on_drivers_that_die_while_trials_run(
    name: ConcreteName, tmp_path: Path
) -> None:
    """Each driver makes the study anew from the results and from the record of what is running."""
    # TPE's proposals come to depend on what it drew for running trials after some thirty.
    spec = spec_for(name, "plain", trials=16 if name in ("front", "gp") else 32)
    through = played_side_by_side(spec, SweepDir(tmp_path / "a"), restart_every=99)
    assert played_side_by_side(spec, SweepDir(tmp_path / "b"), restart_every=3) == through


def test_two_drivers_on_one_folder_are_refused(tmp_path: Path) -> None:
    spec, sweep = spec_for("random", "plain"), SweepDir(tmp_path / "sweep")
    # As far from this driver as another process: it holds none of its locks.
    with sweep.lock(), ThreadPoolExecutor(1) as other:
        second = other.submit(run_sweep, spec, sweep, FakeMaker(tmp_path), view=lambda _: None)
        with pytest.raises(StoreError, match="in use by another driver"):
            second.result()


IN_THE_GATE = {("tpe", "limits")}


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        pytest.param(name, limits, marks=() if (name, limits) in IN_THE_GATE else pytest.mark.slow)
        for name in SAMPLERS
        for limits in LIMITS
    ],
)
@pytest.mark.usefixtures("one_ray")
def test_a_sweep_on_ray_with_bad_trials(name: ConcreteName, limits: str, tmp_path: Path) -> None:
    spec = spec_for(name, limits, trials=8)
    bad = (plain(1e-3), plain(2e-3), plain(3e-3), plain(4e-3))
    spec = replace(spec, first=bad)
    ids = [spec.config(start).config_id for start in bad]
    maker = FakeMaker(tmp_path, {ids[1]: "raise", ids[2]: "nan", ids[3]: "die_once"})
    sweep = SweepDir(tmp_path / "sweep")
    outcome = run_sweep(with_checkpoints(spec), sweep, maker, view=lambda _: None)
    assert (outcome.n_complete, outcome.n_failed) == (6, 2)
    waited = any("all else waits for baseline(peft)" in message for message in outcome.messages)
    assert waited == (limits == "limits")
    if waited:
        assert maker.notes("start")[0][0] == f"{ids[0]}-s0"
        assert maker.notes("finish")[0][0] == f"{ids[0]}-s0"
    counts_are_equal(spec, sweep)


def stopped_early_on_ray(spec: SweepSpec, folder: Path) -> SweepDir:
    """A sweep with early stopping; some trials were stopped, some were not, and all are counted
    everywhere.
    """
    sweep = SweepDir(folder / "sweep")
    outcome = run_sweep(spec, sweep, FakeMaker(folder), view=lambda _: None)
    assert (outcome.n_complete + outcome.n_stopped, outcome.n_failed) == (spec.budget.trials, 0)
    assert min(outcome.n_complete, outcome.n_stopped) >= 2
    counts_are_equal(spec, sweep)
    return sweep


@pytest.mark.parametrize(
    "rank",
    [
        pytest.param(rank, marks=() if rank == "spread" else pytest.mark.slow)
        for rank in get_args(RankName)
    ],
)
@pytest.mark.usefixtures("one_ray")
def test_every_rank_decides_on_ray_as_by_hand(rank: RankName, tmp_path: Path) -> None:
    spec = replace(
        spec_for("random", "limits", trials=12, concurrency=1), stopping=Halving(rank=rank)
    )
    sweep = stopped_early_on_ray(spec, tmp_path)
    rule = HalvingRule(Halving(rank=rank), spec.objectives, spec.limits)
    # One at a time: they reached each rung in the order in which they ended.
    for result in sweep.results():
        whole = result.config == spec.config(spec.first[0])
        decided = [
            rule.may_continue(result.config, result.seed, rung, whole=whole)
            for rung in result.rungs
        ]
        assert decided == [True] * (len(decided) - 1) + [result.status == "complete"]


@pytest.mark.slow
@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.usefixtures("one_ray")
def test_every_sampler_goes_with_early_stopping_on_ray(
    name: ConcreteName, limits: str, tmp_path: Path
) -> None:
    stopped_early_on_ray(replace(spec_for(name, limits, trials=16), stopping=Halving()), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_driver_that_is_killed_is_gone_on_from(name: ConcreteName, tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path / "sweep")
    command = [sys.executable, "-m", "tests.integration.drive", str(sweep.root), name]

    def drive() -> "subprocess.Popen[str]":
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    first = drive()
    wait_for(lambda: len(sweep.trial_ids()) >= 3, first)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    trial_ids = set(sweep.trial_ids())
    second = drive()
    output, _ = second.communicate(timeout=300)
    assert second.returncode == 0, output
    assert trial_ids < set(sweep.trial_ids())
    assert len(sweep.trial_ids()) == 8
    counts_are_equal(spec_for(name, "limits", trials=8), sweep)
