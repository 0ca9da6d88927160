from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.trial import TrialState

from deft_sweeps.config.axes import NoPruning, Wanda
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.errors import TrialError
from deft_sweeps.metrics import measured
from deft_sweeps.result import FailedTrial, TrialResult
from deft_sweeps.search import result_recorder
from deft_sweeps.search.consecutive_failures import MOST_ALIKE
from deft_sweeps.search.repeats import N_ASKS
from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.search.trial_report import report
from deft_sweeps.specification.combination import Combination, Start
from deft_sweeps.specification.domain import Categorical
from deft_sweeps.specification.sampler_entry import SamplerName
from deft_sweeps.specification.search_settings import Search
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.unfinished_trial import UnfinishedTrial, unfinished_trials
from deft_sweeps.study.optuna_study import finished
from deft_sweeps.study.pending import read_pending
from tests.fakes import fake_result, fake_spec, plain
from tests.played_search import failed, play, states, trial_of
from tests.samples import complete, error_of


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDir:
    return SweepDir(tmp_path)


def test_every_finished_trial_is_stored_told_and_then_reported(sweep: SweepDir) -> None:
    seen: list[tuple[str, bool, bool]] = []

    def on_finish(result: TrialResult) -> None:
        seen.append(
            (
                result.trial_id,
                sweep.result_path(result.trial_id).exists(),
                result.trial_id in states(searcher),
            )
        )

    searcher = StudySearcher(fake_spec(6), sweep, target=6, on_finish=on_finish)
    ids = play(searcher, 99)
    assert len(ids) == 6
    assert seen == [(trial_id, True, True) for trial_id in ids]
    assert set(sweep.trial_ids()) == set(ids) == set(states(searcher))
    trial = next(t for t in finished(searcher.study) if t.user_attrs["trial_id"] == ids[0])
    first = complete(sweep.result(ids[0]))
    metrics = measured(first.point_at(0.01), first.cost)
    assert trial.values == [metrics["score"], metrics["activation_density"]]


def test_the_proposals_do_not_depend_on_how_often_the_driver_was_started(tmp_path: Path) -> None:
    spec = fake_spec(14, first=(plain(1e-3),), search=Search(startup=4, seed=3))
    through = play(StudySearcher(spec, SweepDir(tmp_path / "a"), target=14, first=spec.first), 99)
    often: list[str] = []
    while len(often) < 14:
        often += play(StudySearcher(spec, SweepDir(tmp_path / "b"), target=14, first=spec.first), 3)
    assert often == through


def test_first_points_come_first_and_once(sweep: SweepDir) -> None:
    spec = fake_spec(9, first=(plain(2e-3), plain(3e-3)))
    requested = [spec.config(start).trial_id(0) for start in spec.first]
    ids = play(StudySearcher(spec, sweep, target=9, first=spec.first), 1)
    ids += play(StudySearcher(spec, sweep, target=9, first=spec.first), 99)
    assert ids[:2] == requested
    assert len(set(ids)) == 9


def test_an_extra_point_runs_again_with_another_seed(sweep: SweepDir) -> None:
    spec = fake_spec(2, first=(plain(2e-3),))
    play(StudySearcher(spec, sweep, target=2, first=spec.first), 99)
    ids = play(StudySearcher(spec, sweep, target=3, first=spec.first, extra=spec.first), 99)
    assert ids == [spec.config(plain(2e-3)).trial_id(1)]


def test_a_configuration_that_comes_again_gets_another_seed(sweep: SweepDir) -> None:
    base = fake_spec()
    few = tuple(
        Combination(c.label, {"training.learning_rate": Categorical((1e-3, 2e-3))}, c.template)
        for c in base.combinations[::4]
    )
    spec = replace(base, combinations=few, search=replace(base.search, repeats=5))
    ids = play(StudySearcher(spec, sweep, target=12), 99)
    assert len(set(ids)) == 12
    assert len({trial_id.split("-")[0] for trial_id in ids}) <= 4
    assert sum(trial_id.endswith("-s0") for trial_id in ids) <= 4
    running = StudySearcher(spec, sweep, target=30)
    proposed = [trial_of(running.suggest(f"tune-{i}")) for i in range(8)]
    assert len({config.trial_id(seed) for config, seed in proposed} | set(ids)) == 20


def test_no_more_trials_are_proposed_than_are_to_finish(sweep: SweepDir) -> None:
    searcher = StudySearcher(fake_spec(3), sweep, target=3)
    answers = [searcher.suggest(f"tune-{i}") for i in range(5)]
    assert [isinstance(t, dict) for t in answers] == [True, True, True, False, False]
    assert answers[3] == "FINISHED"


def test_nothing_but_extra_points_is_proposed_when_it_is_enough_and_nothing_at_all_while_stopping(
    sweep: SweepDir,
) -> None:
    over = StudySearcher(fake_spec(3), sweep, target=3, stop_reason=lambda: "the hours are over")
    assert (over.suggest("t"), over.over) == ("FINISHED", "the hours are over")
    assert (
        StudySearcher(fake_spec(3), sweep, target=3, stopping=lambda: True).suggest("t")
        == "FINISHED"
    )
    extra = StudySearcher(
        fake_spec(3),
        sweep,
        target=3,
        extra=(plain(1e-3),),
        stop_reason=lambda: "the hours are over",
    )
    assert [isinstance(extra.suggest(f"t{i}"), dict) for i in range(2)] == [True, False]


def test_points_that_follow_are_asked_for_once_when_nothing_runs_any_more(
    sweep: SweepDir,
) -> None:
    n_asked = 0

    def follow_up() -> tuple[Start, ...]:
        nonlocal n_asked
        n_asked += 1
        assert len(sweep.results()) == 2
        return (plain(3e-3),)

    searcher = StudySearcher(fake_spec(2), sweep, target=2, follow_up=follow_up)
    proposals = [searcher.suggest(f"tune-{i}") for i in range(3)]
    assert proposals[2] is None, "it waits for the running ones"
    for i, proposal in enumerate(proposals[:2]):
        searcher.on_trial_complete(f"tune-{i}", report(20, (), fake_result(*trial_of(proposal))))
    config, seed = trial_of(searcher.suggest("tune-3"))
    assert (config.training.learning_rate, searcher.target) == (3e-3, 3)
    searcher.on_trial_complete("tune-3", report(20, (), fake_result(config, seed)))
    assert (searcher.suggest("tune-4"), n_asked, searcher.n_finished) == ("FINISHED", 1, 3)


def test_points_follow_a_search_that_ended_early_and_its_reason_stays(sweep: SweepDir) -> None:
    searcher = StudySearcher(
        fake_spec(9),
        sweep,
        target=9,
        stop_reason=lambda: "the hours are over" if sweep.trial_ids() else "",
        follow_up=lambda: (plain(3e-3),),
    )
    assert len(play(searcher, 99)) == 2
    assert (searcher.over, searcher.target) == ("the hours are over", 9)


def test_a_follow_up_outlives_a_driver_that_is_killed_at_any_moment(sweep: SweepDir) -> None:
    """The target that the killed driver noted may be the old one."""
    recorded: list[tuple[int, int]] = []

    def on_target() -> None:
        record = read_pending(fake_spec(2), sweep, sweep.trial_ids())
        recorded.append((len(record.proposals), len(record.extra)))

    searcher = StudySearcher(
        fake_spec(2), sweep, target=2, follow_up=lambda: (plain(3e-3),), on_target=on_target
    )
    play(searcher, 2)
    config, seed = trial_of(searcher.suggest("killed"))
    assert recorded == [(0, 1)], "noted between the record of the point and its proposal"
    resumed = StudySearcher(fake_spec(2), sweep, target=2, follow_up=lambda: ())
    assert resumed.target == 3
    assert play(resumed, 99) == [config.trial_id(seed)]
    assert len(sweep.trial_ids()) == 3
    again = StudySearcher(fake_spec(2), sweep, target=3)
    assert again.suggest("nothing") == "FINISHED"


def test_nothing_follows_a_search_that_is_stopped_or_has_nothing_to_add(sweep: SweepDir) -> None:
    stopped = StudySearcher(
        fake_spec(2), sweep, target=2, stopping=lambda: True, follow_up=lambda: (plain(3e-3),)
    )
    assert stopped.suggest("t") == "FINISHED"
    nothing = StudySearcher(fake_spec(2), sweep, target=2, follow_up=lambda: ())
    assert len(play(nothing, 99)) == 2


def test_failures_are_told_as_failures_and_count(sweep: SweepDir) -> None:
    searcher = StudySearcher(fake_spec(3), sweep, target=3)
    ids = play(searcher, 1, failed)
    ids += play(searcher, 1, lambda config, seed: fake_result(config, seed, loss=float("nan")))
    lost = trial_of(searcher.suggest("lost"))
    searcher.lost["lost"] = "out of memory"
    searcher.on_trial_complete("lost", None, error=True)
    assert searcher.suggest("more") == "FINISHED"
    assert set(states(searcher).values()) == {TrialState.FAIL}
    errors = {result.trial_id: error_of(result) for result in sweep.results()}
    assert errors[ids[0]] == "no"
    assert "points.0.loss" in errors[ids[1]]
    assert errors[lost[0].trial_id(lost[1])] == "its worker was lost 2 times, last: out of memory"


def test_an_objective_that_was_not_measured_makes_the_trial_fail(sweep: SweepDir) -> None:
    spec = replace(fake_spec(1), objectives=("score", "latency_sec"))
    searcher = StudySearcher(spec, sweep, target=1)
    (trial_id,) = play(
        searcher, 1, lambda config, seed: replace(fake_result(config, seed), cost=None)
    )
    assert error_of(sweep.result(trial_id)) == "latency_sec not measured or not finite"
    assert states(searcher) == {trial_id: TrialState.FAIL}


def test_a_trial_that_a_scheduler_stopped_is_pruned(sweep: SweepDir) -> None:
    searcher = StudySearcher(fake_spec(1), sweep, target=1)
    config, seed = trial_of(searcher.suggest("t"))
    searcher.on_trial_complete("t", report(8))
    assert sweep.result(config.trial_id(seed)).status == "stopped"
    assert states(searcher) == {config.trial_id(seed): TrialState.PRUNED}


@pytest.mark.parametrize("lost", ["pending.json", "nothing"])
def test_a_study_is_made_from_the_store_whatever_else_was_deleted(
    sweep: SweepDir, lost: str
) -> None:
    spec = fake_spec(8)
    play(StudySearcher(spec, sweep, target=8), 3, failed)
    play(before := StudySearcher(spec, sweep, target=8), 5)
    values = {
        t.user_attrs["trial_id"]: (t.state, t.values, t.params) for t in finished(before.study)
    }
    (sweep.root / lost).unlink(missing_ok=True)
    after = StudySearcher(spec, sweep, target=8)
    assert {
        t.user_attrs["trial_id"]: (t.state, t.values, t.params) for t in finished(after.study)
    } == values
    assert after.n_finished == 8
    assert after.suggest("t") == "FINISHED"


def test_a_trial_whose_result_is_gone_never_was_and_nothing_else_is_lost(sweep: SweepDir) -> None:
    """A point that the YAML asks for runs again; another trial takes the place of any other."""
    spec = fake_spec(8, first=(plain(2e-3),), search=Search(sampler="random", startup=4, seed=3))
    ids = play(StudySearcher(spec, sweep, target=8, first=spec.first), 3)
    ids += play(before := StudySearcher(spec, sweep, target=8, first=spec.first), 2, failed)
    begun = trial_of(before.suggest("t"))
    values = states(before)
    for lost in (ids[0], ids[4]):
        sweep.result_path(lost).unlink()
    after = StudySearcher(spec, sweep, target=7, first=spec.first, extra=(plain(5e-3),))
    rest = {
        trial_id: state
        for trial_id, state in values.items()
        if sweep.result_path(trial_id).exists()
    }
    assert states(after) == rest
    assert after.n_finished == len(sweep.trial_ids()) == 3
    again = StudySearcher(spec, sweep, target=7, first=spec.first, extra=(plain(5e-3),))
    extra = spec.config(plain(5e-3)).trial_id(0)
    more = play(again, 99)
    assert more[:3] == [begun[0].trial_id(begun[1]), extra, ids[0]]
    assert (
        len({*more, *rest})
        == len(finished(again.study))
        == again.n_finished
        == len(sweep.trial_ids())
        == 7
    )


def test_what_was_stored_but_not_told_is_told_on_the_next_start(sweep: SweepDir) -> None:
    spec = fake_spec(5)
    crashed = StudySearcher(spec, sweep, target=5)
    config, seed = trial_of(crashed.suggest("t"))
    sweep.write(fake_result(config, seed))
    after = StudySearcher(spec, sweep, target=5)
    assert states(after) == {config.trial_id(seed): TrialState.COMPLETE}
    assert after.study.trials[0].number == 0
    assert len(after.study.trials) == 1
    assert config.trial_id(seed) not in play(after, 99)


def test_trials_that_were_running_come_first_under_their_number_and_seed(sweep: SweepDir) -> None:
    spec = fake_spec(5)
    crashed = StudySearcher(spec, sweep, target=5)
    begun = [trial_of(crashed.suggest(f"t{i}")) for i in range(2)]
    crashed.study.ask()  # The driver died between asking and naming.
    after = StudySearcher(spec, sweep, target=5)
    again = [trial_of(after.suggest(f"t{i}")) for i in range(2)]
    assert again == begun
    for i, (config, seed) in enumerate(again):
        after.on_trial_complete(f"t{i}", report(20, (), fake_result(config, seed)))
    ids = play(after, 99)
    assert len(set(ids) | {config.trial_id(seed) for config, seed in begun}) == 5
    assert len(finished(after.study)) == len(sweep.trial_ids()) == 5
    assert not [t for t in after.study.trials if not t.state.is_finished()]


def test_results_of_another_space_stay_and_are_told_to_nobody(sweep: SweepDir) -> None:
    spec = fake_spec(2)
    assert isinstance(spec.combinations[0].template.pruning, NoPruning)
    foreign = fake_result(replace(spec.config(plain(1e-3)), pruning=Wanda()), 0)
    sweep.write(foreign)
    searcher = StudySearcher(spec, sweep, target=2)
    assert searcher.n_finished == 0
    assert len(play(searcher, 99)) == 2
    assert foreign.trial_id in sweep.trial_ids()
    assert foreign.trial_id not in states(searcher)


def test_a_study_of_another_space_is_built_anew(sweep: SweepDir) -> None:
    spec = fake_spec(6)
    ids = play(StudySearcher(spec, sweep, target=6), 99)
    smaller = replace(spec, combinations=spec.combinations[:4])
    searcher = StudySearcher(smaller, sweep, target=9)
    within_space = {result.trial_id for result in sweep.results() if smaller.locate(result.config)}
    assert set(states(searcher)) == within_space
    assert len(play(searcher, 99)) == 9 - len(within_space)
    assert set(ids) <= set(sweep.trial_ids())


def test_a_result_that_cannot_be_written_waits_and_holds_back_new_trials(sweep: SweepDir) -> None:
    troubles: list[str] = []
    searcher = StudySearcher(fake_spec(4), sweep, target=4, on_trouble=troubles.append)
    config, seed = trial_of(searcher.suggest("a"))
    (sweep.root / "results").write_text("in the way")
    searcher.on_trial_complete("a", report(20, (), fake_result(config, seed)))
    assert "cannot be written" in troubles[0]
    assert [result.trial_id for result in searcher.waiting] == [config.trial_id(seed)]
    assert states(searcher) == {}
    assert searcher.suggest("b") is None
    (sweep.root / "results").unlink()
    searcher.store_queued(now=True)
    assert searcher.waiting == ()
    assert sweep.trial_ids() == tuple(states(searcher)) == (config.trial_id(seed),)
    assert isinstance(searcher.suggest("b"), dict)


def test_a_finished_trial_leaves_no_checkpoint(sweep: SweepDir) -> None:
    searcher = StudySearcher(fake_spec(1), sweep, target=1)
    config, seed = trial_of(searcher.suggest("a"))
    UnfinishedTrial(sweep, config.trial_id(seed)).begin().write_checkpoint(b"half way")
    searcher.on_trial_complete("a", report(20, (), fake_result(config, seed)))
    assert unfinished_trials(sweep) == ()


def test_the_weights_of_a_finished_trial_are_those_of_the_attempt_that_gave_its_result(
    sweep: SweepDir,
) -> None:
    searcher = StudySearcher(fake_spec(1), sweep, target=1)
    config, seed = trial_of(searcher.suggest("a"))
    trial = UnfinishedTrial(sweep, config.trial_id(seed))
    attempts = [trial.begin() for _ in range(3)]
    for attempt in attempts:
        attempt.write_weights(b"of %d" % attempt.number)
    searcher.on_trial_complete("a", report(20, (), fake_result(config, seed), attempt=2))
    assert sweep.weights_path(trial.trial_id).read_bytes() == b"of 2"
    for attempt in attempts:  # Workers that nobody listens to any more.
        with pytest.raises(TrialError, match="has ended on another worker"):
            attempt.write_weights(b"later")
    assert sweep.weights_path(trial.trial_id).read_bytes() == b"of 2"
    assert unfinished_trials(sweep) == ()


def test_a_trial_whose_weights_lie_in_another_folder_fails(
    sweep: SweepDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are waited for, since a network drive may show them late."""
    troubles: list[str] = []
    searcher = StudySearcher(fake_spec(1), sweep, target=1, on_trouble=troubles.append)
    config, seed = trial_of(searcher.suggest("a"))
    searcher.on_trial_complete("a", report(20, (), fake_result(config, seed), attempt=1))
    assert len(searcher.waiting) == len(troubles) == 1
    monkeypatch.setattr(result_recorder, "APPEAR_SEC", 0.0)
    searcher.store_queued(now=True)
    (result,) = sweep.results()
    assert error_of(result).startswith(f"its weights are not in {sweep.root}")
    assert result.number == 0
    assert states(searcher) == {config.trial_id(seed): TrialState.FAIL}


def test_a_start_outside_the_space_is_no_start() -> None:
    with pytest.raises(KeyError):
        fake_spec().config(Start("no such", {}))


def narrow(n_rates: int, repeats: int, sampler: SamplerName = "tpe") -> SweepSpec:
    """Two combinations with `n_rates` learning rates each: a space that is soon used up."""
    base = fake_spec(search=Search(sampler=sampler, startup=4, seed=3, repeats=repeats))
    rates = Categorical(tuple(1e-3 * (i + 1) for i in range(n_rates)))
    return replace(
        base,
        combinations=tuple(
            Combination(c.label, {"training.learning_rate": rates}, c.template)
            for c in base.combinations[::4]
        ),
    )


@pytest.mark.parametrize("sampler", ["front", "tpe", "nsga2", "random"])
@pytest.mark.parametrize("repeats", [1, 3])
def test_no_configuration_runs_more_often_than_repeats_and_a_used_up_space_ends_the_search(
    sweep: SweepDir, sampler: SamplerName, repeats: int
) -> None:
    spec = narrow(3, repeats, sampler)
    searcher = StudySearcher(spec, sweep, target=99)
    ids = play(searcher, 99)
    assert Counter(trial_id.split("-")[0] for trial_id in ids) == dict.fromkeys(
        {i.split("-")[0] for i in ids}, repeats
    )
    assert len(ids) == 6 * repeats
    assert searcher.over.startswith("every configuration of the space has run")
    refused = [t for t in searcher.study.trials if "trial_id" not in t.user_attrs]
    assert all(t.state == TrialState.FAIL for t in refused)
    if sampler == "front":
        assert len(refused) <= 2 * N_ASKS, (
            "it knows what may not run again: beside its first trials only the end is refused"
        )
    assert len(finished(searcher.study)) == searcher.n_finished == 6 * repeats
    again = StudySearcher(spec, sweep, target=99)
    assert (again.n_finished, again.suggest("t")) == (6 * repeats, "FINISHED")


def test_configurations_under_way_count_too_and_extra_points_are_exempt(sweep: SweepDir) -> None:
    spec = narrow(2, 1)
    searcher = StudySearcher(spec, sweep, target=99)
    begun = [trial_of(searcher.suggest(f"t{i}")) for i in range(4)]
    assert len({config.config_id for config, _ in begun}) == 4
    assert searcher.suggest("more") == "FINISHED"
    for i, (config, seed) in enumerate(begun):
        searcher.on_trial_complete(f"t{i}", report(20, (), fake_result(config, seed)))
    start = spec.locate(begun[0][0])
    assert start is not None
    ids = play(StudySearcher(spec, sweep, target=99, extra=(start, start)), 99)
    assert ids == [begun[0][0].trial_id(1), begun[0][0].trial_id(2)]


def test_what_is_asked_for_besides_runs_before_first_points_that_the_search_left_waiting(
    sweep: SweepDir,
) -> None:
    """A search that hours ended with first points waiting: the twin runs, and none of them in its
    place.
    """
    spec = fake_spec(9, first=(plain(2e-3), plain(3e-3)))
    assert play(StudySearcher(spec, sweep, target=9, first=spec.first), 1) == [
        spec.config(plain(2e-3)).trial_id(0)
    ]
    twin = plain(5e-3)
    over = StudySearcher(
        spec,
        sweep,
        target=3,
        first=spec.first,
        extra=(twin,),
        stop_reason=lambda: "the hours are over",
    )
    assert play(over, 99) == [spec.config(twin).trial_id(0)]
    more = StudySearcher(spec, sweep, target=4, first=spec.first, extra=(twin,))
    assert play(more, 99) == [spec.config(twin).trial_id(1), spec.config(plain(3e-3)).trial_id(0)]


def test_points_that_a_killed_driver_was_asked_for_are_not_there_twice(sweep: SweepDir) -> None:
    spec, twin = fake_spec(9), plain(5e-3)
    StudySearcher(spec, sweep, target=2, extra=(twin, twin))
    after = StudySearcher(
        spec,
        sweep,
        target=9,
        extra=(twin, plain(6e-3), twin, twin),
        stop_reason=lambda: "the hours are over",
    )
    assert sorted(play(after, 99)) == sorted(
        [
            *(spec.config(twin).trial_id(seed) for seed in range(3)),
            spec.config(plain(6e-3)).trial_id(0),
        ]
    )


def test_extra_points_that_a_driver_left_waiting_run_though_the_search_is_over(
    sweep: SweepDir,
) -> None:
    spec = narrow(2, 1)
    StudySearcher(
        spec,
        sweep,
        target=9,
        extra=[Start(c.label, {"training.learning_rate": 1e-3}) for c in spec.combinations],
    )
    assert (
        len(
            play(StudySearcher(spec, sweep, target=9, stop_reason=lambda: "the hours are over"), 99)
        )
        == 2
    )


def test_one_error_that_fails_trial_after_trial_ends_the_search_and_is_forgotten_by_the_next_driver(
    sweep: SweepDir,
) -> None:
    def broken(config: TrialConfig, seed: int) -> FailedTrial:
        error = "ModuleNotFoundError: No module named 'bitsandbytes'"
        return FailedTrial(config=config, seed=seed, error=error)

    spec = fake_spec(40)
    searcher = StudySearcher(spec, sweep, target=40)
    assert len(play(searcher, 99, broken)) == MOST_ALIKE
    assert (
        "10 trials failed one after the other: ModuleNotFoundError: No module named 'bitsandbytes';"
        " mend that" in str(searcher.aborted)
    )
    after = StudySearcher(spec, sweep, target=40)
    assert len(play(after, 99)) == 30
    assert after.aborted is None


def test_what_trials_themselves_fail_of_does_not_end_the_search(sweep: SweepDir) -> None:
    def not_finite(config: TrialConfig, seed: int) -> FailedTrial:
        error = "TrialError: loss is not finite at step 7"
        return FailedTrial(config=config, seed=seed, error=error)

    assert len(play(StudySearcher(fake_spec(12), sweep, target=12), 99, not_finite)) == 12


def test_no_more_trials_are_proposed_than_there_are_slots(sweep: SweepDir) -> None:
    """Slots that are added are used, and those that go away are not filled again."""
    n_slots = 1
    searcher = StudySearcher(fake_spec(9), sweep, target=9, slots=lambda: n_slots)
    first = searcher.suggest("0")
    assert searcher.suggest("1") is None
    n_slots = 3
    assert isinstance(searcher.suggest("1"), dict)
    assert isinstance(searcher.suggest("2"), dict)
    assert searcher.suggest("3") is None
    n_slots = 2
    searcher.on_trial_complete("0", report(20, (), fake_result(*trial_of(first))))
    assert searcher.suggest("3") is None
    assert len(searcher.running) == 2
