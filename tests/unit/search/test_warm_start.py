"""What earlier sweeps give: results that compare are told, others become points of this space;
neither counts as this sweep's own.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from deft_sweeps.config.axes import DensityLoss, Lora, Training, Wanda
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.findings.pareto_front import pareto_front
from deft_sweeps.metrics import measured
from deft_sweeps.result import CompleteTrial
from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.search.warm_start import _halving_order, carried_over, data_of, take_up, taken
from deft_sweeps.specification.combination import Combination, Start
from deft_sweeps.specification.domain import Categorical
from deft_sweeps.specification.search_settings import Search
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.sources import unusable_sources
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.study.optuna_study import POINTS, PRIOR, finished
from tests.fakes import fake_spec, plain
from tests.played_search import failed, play, states


def spec_of(trials: int = 8) -> SweepSpec:
    return fake_spec(trials, search=Search(sampler="random", seed=3))


def smaller(config: TrialConfig) -> TrialConfig:
    """As a sweep of a smaller model has it, trained for fewer steps."""
    return replace(
        config,
        model="google/flan-t5-small",
        dtype="fp32",
        training=replace(config.training, steps=5),
    )


def earlier(folder: Path, trials: int = 8, small: bool = False) -> SweepDir:
    sweep = SweepDir(folder)
    spec = spec_of(trials)
    if small:
        combinations = tuple(replace(c, template=smaller(c.template)) for c in spec.combinations)
        spec = replace(spec, combinations=combinations)
    play(StudySearcher(spec, sweep, target=trials), trials - 1)
    play(StudySearcher(spec, sweep, target=trials), 1, failed)
    sweep.spec_path.write_text("name: earlier\n")
    return sweep


def warmed(*sources: SweepDir, trials: int = 8) -> SweepSpec:
    spec = spec_of(trials)
    return replace(
        spec, search=replace(spec.search, warm_start=tuple(str(source.root) for source in sources))
    )


def test_results_that_compare_are_told_and_count_nowhere(tmp_path: Path) -> None:
    source, sweep = earlier(tmp_path / "old"), SweepDir(tmp_path / "new")
    spec = warmed(source)
    (given,) = take_up(spec, sweep)
    assert (
        str(given)
        == f"warm start from {source.root}: 7 results told, 0 points enqueued, 0 left out: not in"
        " this space"
    )
    searcher = StudySearcher(spec, sweep, target=8)
    prior = [trial for trial in searcher.study.trials if PRIOR in trial.user_attrs]
    complete = {r.trial_id: r for r in source.results() if r.status == "complete"}
    assert {t.user_attrs[PRIOR] for t in prior} == set(complete)
    for trial in prior:
        result = complete[trial.user_attrs[PRIOR]]
        values = measured(result.point_at(0.01), result.cost)
        assert trial.values == [values["score"], values["activation_density"]]
        assert len(trial.user_attrs[POINTS]) == len(result.points)
    assert (searcher.n_finished, finished(searcher.study), sweep.trial_ids()) == (0, (), ())
    ids = play(searcher, 99)
    assert len(ids) == 8 == len(sweep.trial_ids()) == len(finished(searcher.study))
    assert {
        m.result.trial_id for m in pareto_front(sweep.results(), spec.objectives).members
    } <= set(ids)


def test_it_goes_on_without_the_folder_it_came_from_and_without_saying_so_again(
    tmp_path: Path,
) -> None:
    source, sweep = earlier(tmp_path / "old"), SweepDir(tmp_path / "new")
    take_up(warmed(source), sweep)
    ids = play(before := StudySearcher(warmed(source), sweep, target=8), 3)
    assert take_up(warmed(source), sweep) == (), "taken once"
    shutil.rmtree(source.root)
    assert take_up(warmed(source), sweep) == ()
    sweep.pending_path.unlink()
    after = StudySearcher(spec_of(), sweep, target=8)
    assert sorted(
        t.user_attrs[PRIOR] for t in after.study.trials if PRIOR in t.user_attrs
    ) == sorted(t.user_attrs[PRIOR] for t in before.study.trials if PRIOR in t.user_attrs)
    assert set(states(after)) == set(ids)
    again = StudySearcher(spec_of(), sweep, target=8)
    assert len(again.study.trials) == len(after.study.trials)


def test_results_of_a_smaller_model_become_first_points_the_front_before_the_others(
    tmp_path: Path,
) -> None:
    source, sweep = earlier(tmp_path / "old", trials=14, small=True), SweepDir(tmp_path / "new")
    spec = warmed(source, trials=16)
    (given,) = take_up(spec, sweep)
    assert (given.n_told, len(given.starts), given.n_outside, given.n_spare) == (0, 4, 0, 9)
    front = pareto_front(source.results(), spec.objectives).members
    best = dict.fromkeys(m.result.config.training.learning_rate for m in front)
    rates = [start.values["training.learning_rate"] for start in given.starts]
    assert rates[: len(best)] == list(best)[:4]
    ids = play(StudySearcher(spec, sweep, target=6), 99)
    assert ids[:4] == [spec.config(start).trial_id(0) for start in given.starts]
    assert taken(sweep) == (given,)
    assert spec.config(given.starts[0]).model == fake_spec().combinations[0].template.model


def test_a_first_point_is_run_though_an_earlier_sweep_ran_it(tmp_path: Path) -> None:
    source, sweep = earlier(tmp_path / "old"), SweepDir(tmp_path / "new")
    spec = warmed(source)
    source_trial = next(r for r in source.results() if r.status == "complete")
    start = spec.locate(source_trial.config)
    assert start is not None
    take_up(spec, sweep)
    assert play(StudySearcher(spec, sweep, target=1, first=(start,)), 99) == [
        spec.config(start).trial_id(0)
    ]


def test_values_are_moved_into_this_space_and_what_is_of_another_kind_is_left_out() -> None:
    spec = fake_spec()
    narrower = smaller(
        spec.config(
            Start(
                "pretrained lora loss none none",
                {"training.learning_rate": 1e-3, "density.loss.weight": 1.0},
            )
        )
    )
    fast = replace(
        narrower, training=Training(steps=7, learning_rate=0.5), density=DensityLoss(weight=0.001)
    )
    moved = carried_over(spec, fast)
    assert moved == Start(
        "pretrained lora loss none none",
        {"training.learning_rate": 1e-2, "density.loss.weight": 0.05},
    )
    assert spec.locate(spec.config(moved)) == moved
    assert carried_over(spec, replace(narrower, pruning=Wanda())) is None
    assert carried_over(spec, replace(narrower, peft=Lora(r=32))) is None, (
        "fixed here at another value"
    )
    choosing = replace(spec, combinations=tuple(_with_ranks(c) for c in spec.combinations))
    carried = carried_over(choosing, replace(narrower, peft=Lora(r=32)))
    assert carried is not None
    assert carried.values["peft.lora.r"] == 16


def _with_ranks(combination: Combination) -> Combination:
    ranks = Categorical((4, 16))
    return Combination(
        combination.label,
        {**combination.open, "peft.lora.r": ranks},
        replace(combination.template, peft=Lora(r=4)),
    )


def test_data_that_changed_under_its_name_is_not_told(tmp_path: Path) -> None:
    source = earlier(tmp_path / "old")

    def of_data(result: CompleteTrial, fingerprint: str) -> CompleteTrial:
        assert result.provenance is not None
        return replace(
            result, provenance=replace(result.provenance, dataset_fingerprint=fingerprint)
        )

    complete = [r for r in source.results() if r.status == "complete"]
    for result in complete[:3]:
        source.write(of_data(result, "before"))
    sweep = SweepDir(tmp_path / "new")
    (given,) = take_up(warmed(source), sweep)
    assert (given.n_told, len(given.starts)) == (4, 2)
    assert data_of(sweep) == {"fake"}


def test_folders_that_cannot_be_used_are_all_told(tmp_path: Path) -> None:
    empty = SweepDir(tmp_path / "empty")
    empty.root.mkdir()
    empty.spec_path.write_text("name: x\n")
    empty.write(failed(fake_spec().config(plain(1e-3)), 0))
    first, second = map(
        str, unusable_sources([str(tmp_path / "nothing"), str(empty.root)], "--warm-start")
    )
    assert first.startswith("--warm-start: ")
    assert "is no sweep folder" in first
    assert (
        second == f"--warm-start: {empty.root} has no complete trial to start from (leave it out)"
    )


@pytest.mark.parametrize("n", [0, 1, 2, 3, 10, 33])
def test_the_spread_begins_with_the_ends_and_has_everything(n: int) -> None:
    order = _halving_order(n)
    assert sorted(order) == list(range(n))
    if n > 4:
        assert order[:3] == [n - 1, 0, round((n - 1) / 2)]


def test_two_sources_are_taken_one_after_the_other(tmp_path: Path) -> None:
    one, two = earlier(tmp_path / "one"), earlier(tmp_path / "two", small=True)
    sweep = SweepDir(tmp_path / "new")
    assert [given.n_told for given in take_up(warmed(one), sweep)] == [7]
    assert [len(given.starts) for given in take_up(warmed(one, two), sweep)] == [2]
    assert len(taken(sweep)) == 2
