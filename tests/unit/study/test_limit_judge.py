"""Limits as the study is told them, the baselines they wait for, and what samplers make of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from deft_sweeps.config.axes import Nf4, Unquantized, Wanda
from deft_sweeps.findings.baseline import baselines_of
from deft_sweeps.findings.pareto_front import pareto_front
from deft_sweeps.objective import parse_constraint, parse_policy
from deft_sweeps.result import CompleteTrial
from deft_sweeps.sampler.study_sampler import study_sampler
from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.search.warm_start import take_up
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.sampler_entry import SAMPLERS, ConcreteName
from deft_sweeps.specification.search_settings import Search
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.study.limit_judge import LimitJudge
from deft_sweeps.study.optuna_study import PRIOR, finished, tell
from deft_sweeps.study.parameters import suggest
from tests.fakes import fake_result, fake_spec, plain
from tests.played_search import failed, play, trial_of


def limited(*texts: str, trials: int = 12, max_failures: int = 1) -> SweepSpec:
    spec = fake_spec(
        trials, max_failures=max_failures, search=Search(sampler="random", startup=4, seed=3)
    )
    return replace(spec, limits=tuple(parse_constraint(text) for text in texts))


def some(spec: SweepSpec, rate: float, quantized: bool = False) -> CompleteTrial:
    label = f"pretrained lora none {'nf4' if quantized else 'none'} none"
    return fake_result(spec.config(Start(label, {"training.learning_rate": rate})), 0)


def test_a_violation_is_a_share_of_the_limit_and_kept_is_not_above_zero() -> None:
    spec = limited(
        "score >= 0.9", "weight_bytes <= 200", "activation_density <= baseline(peft) - 0.1"
    )
    judge = LimitJudge(spec)
    result = some(spec, 1e-3)
    point = result.point_at(0.01)
    judged = judge.add(result)
    base = result.points[0].density.overall
    assert judged == {
        "score >= 0.9": pytest.approx((0.9 - point.score.value) / 0.9),
        "weight_bytes <= 200": pytest.approx((400 - 200) / 200),
        "activation_density <= baseline(peft) - 0.1": pytest.approx(
            (point.density.overall - (base - 0.1)) / (base - 0.1)
        ),
    }
    assert judge.add(some(spec, 1e-3, quantized=True))["weight_bytes <= 200"] == pytest.approx(-0.5)


def test_what_was_not_measured_breaks_its_limit_and_what_cannot_be_judged_is_at_its_edge() -> None:
    spec = limited("weight_bytes <= 1", "score >= baseline(unquantized) - 0.1")
    judge = LimitJudge(spec)
    judged = judge.add(replace(some(spec, 1e-3, quantized=True), cost=None))
    assert judged == {"weight_bytes <= 1": 1.0, "score >= baseline(unquantized) - 0.1": 0.0}
    later = judge.add(some(spec, 1e-3))
    assert list(later) == list(judged)
    assert later["score >= baseline(unquantized) - 0.1"] < 0
    assert judge.add(failed(spec.config(plain(1e-3)), 3)) == {}


def test_the_judges_baseline_is_the_fronts_whatever_seeds_come(tmp_path: Path) -> None:
    """Means over seeds compete; one lucky seed is no baseline."""
    spec = limited("score >= baseline(peft) - 0.01")
    judge, results = LimitJudge(spec), []
    rng = np.random.default_rng(0)
    for i in range(40):
        config = spec.config(plain((1e-3, 1.1e-3, 1.2e-3)[rng.integers(3)]))
        results.append(fake_result(config, i))
        judge.add(results[-1])
        judge.add(results[-1])
        baseline = baselines_of(results).get("peft")
        wanted = None if baseline is None else baseline.values
        assert wanted is not None
        assert judge.baselines["peft"].values["score"] == pytest.approx(wanted["score"])


def test_the_study_knows_by_how_much_each_trial_breaks_the_limits(tmp_path: Path) -> None:
    spec, sweep = limited("weight_bytes <= 200"), SweepDir(tmp_path)
    play(searcher := StudySearcher(spec, sweep, target=8), 99)
    constraints = {t.user_attrs["trial_id"]: t.constraints for t in finished(searcher.study)}
    assert {trial_id: c["weight_bytes <= 200"] > 0 for trial_id, c in constraints.items()} == {
        r.trial_id: not isinstance(r.config.quantization, Nf4) for r in sweep.results()
    }
    assert 0 < sum(c["weight_bytes <= 200"] > 0 for c in constraints.values()) < 8
    sweep.pending_path.unlink()
    again = StudySearcher(spec, sweep, target=8)
    assert {t.user_attrs["trial_id"]: t.constraints for t in finished(again.study)} == constraints
    front = pareto_front(sweep.results(), spec.objectives, spec.limits)
    assert front.members
    assert all(
        constraints[member.result.trial_id]["weight_bytes <= 200"] <= 0 for member in front.members
    )


@pytest.mark.parametrize(
    "name",
    [name for name, entry in SAMPLERS.items() if entry.uses_limits and name not in ("front", "gp")],
)
def test_samplers_that_see_the_limits_keep_them_more_often(name: ConcreteName) -> None:
    spec = limited("weight_bytes <= 200", "activation_density <= 0.3")

    def share_kept(name: ConcreteName) -> float:
        study = optuna.create_study(
            directions=["maximize", "minimize"],
            sampler=study_sampler(replace(spec, search=Search(sampler=name, startup=6, seed=3))),
        )
        judge = LimitJudge(spec)
        for _ in range(60):
            trial = study.ask()
            result = fake_result(spec.config(suggest(trial, spec)), 0)
            tell(study, spec, trial, result, judge.add(result))
        late = study.trials[30:]
        return sum(
            all(violation <= 0 for violation in trial.constraints.values()) for trial in late
        ) / len(late)

    assert share_kept(name) > share_kept("random") + 0.15


def test_a_gaussian_process_goes_on_with_two_baselines_and_with_an_earlier_sweeps_trials(
    tmp_path: Path,
) -> None:
    """It demands every limit of every trial, whichever baseline was there when the trial ended."""
    few = tuple(c for c in fake_spec().combinations if c.template.density.kind == "none")
    search = Search(sampler="gp", startup=4, seed=3)
    free = replace(
        fake_spec(5, search=search),
        combinations=few,
        first=(Start(few[1].label, {"training.learning_rate": 1e-3}), plain(2e-3)),
    )
    play(StudySearcher(free, old := SweepDir(tmp_path / "old"), target=5, first=free.first), 99)
    old.spec_path.write_text("name: old\n")
    texts = ("score >= baseline(dense) - 0.05", "score >= baseline(unquantized) - 0.1")
    spec = replace(
        free,
        limits=tuple(map(parse_constraint, texts)),
        search=replace(search, warm_start=(str(old.root),)),
    )
    sweep = SweepDir(tmp_path / "new")
    take_up(spec, sweep)
    for target in (6, 8):
        play(searcher := StudySearcher(spec, sweep, target=target, first=spec.first), 99)
    assert len(finished(searcher.study)) == 8
    complete = searcher.study.get_trials(states=(TrialState.COMPLETE,))
    assert {tuple(trial.constraints) for trial in complete} == {texts}
    assert not isinstance(spec.config(spec.first[0]).quantization, Unquantized), (
        "the first baseline is none of the second limit's"
    )
    prior = [trial for trial in complete if PRIOR in trial.user_attrs]
    assert len(prior) == 5
    assert all(trial.constraints[text] != 0.0 for trial in prior for text in texts), (
        "judged by baselines that came after some of them"
    )


def test_a_study_that_was_told_other_limits_is_told_anew(tmp_path: Path) -> None:
    """Of a spec that was changed, or by a version that left limits out: else a Gaussian process
    refuses the study on every start.
    """
    spec, sweep = limited("weight_bytes <= 200"), SweepDir(tmp_path)
    ids = play(StudySearcher(spec, sweep, target=12), 5)
    changed = limited("weight_bytes <= 200", "score >= 0.5")
    searcher = StudySearcher(changed, sweep, target=12)
    assert [t.user_attrs["trial_id"] for t in finished(searcher.study)] == ids
    assert {tuple(t.constraints) for t in finished(searcher.study)} == {
        ("weight_bytes <= 200", "score >= 0.5")
    }


def test_everything_waits_for_the_baseline_of_a_limit(tmp_path: Path) -> None:
    spec, troubles = limited("score >= baseline(peft) - 0.05"), list[str]()
    searcher = StudySearcher(spec, SweepDir(tmp_path), target=12, on_trouble=troubles.append)
    config, seed = trial_of(searcher.suggest("a"))
    assert config.is_plain_peft
    assert searcher.suggest("b") is None
    assert troubles == ["all else waits for baseline(peft), which the limits compare with"]
    searcher.on_trial_complete("a", None, error=True)
    config, seed = trial_of(searcher.suggest("a"))
    assert (config.is_plain_peft, seed) == (True, 1), "tried again with another seed"
    sweep_again = StudySearcher(spec, SweepDir(tmp_path), target=12)
    assert trial_of(sweep_again.suggest("a")) == (
        config,
        1,
    ), "a driver that died in between goes on with it"
    sweep_again.on_trial_complete("a", {"result": fake_result(config, seed).to_json().decode()})
    assert isinstance(sweep_again.suggest("b"), dict)
    assert isinstance(sweep_again.suggest("c"), dict)


def test_a_baseline_that_only_fails_ends_the_search_with_the_reason(tmp_path: Path) -> None:
    spec = limited("score >= baseline(dense) - 0.05", max_failures=2)
    searcher = StudySearcher(spec, SweepDir(tmp_path), target=12)
    ids = play(searcher, 99, failed)
    assert len(ids) == len(set(ids)) == 3
    assert (
        str(searcher.aborted)
        == "baseline(dense), which the limits compare with, failed 3 times, last: no"
    )
    assert {t.state for t in finished(searcher.study)} == {TrialState.FAIL}
    after = StudySearcher(spec, SweepDir(tmp_path), target=12)
    assert len(play(after, 99)) == 9, (
        "what failed under an earlier driver may have been mended since"
    )
    assert after.aborted is None


def test_a_baseline_that_waits_among_the_first_points_is_not_run_twice(tmp_path: Path) -> None:
    first = (Start("relu lora none nf4 none", {"training.learning_rate": 1e-3}), plain(2e-3))
    spec = replace(limited("score >= baseline(peft) - 0.05"), first=first)
    ids = play(StudySearcher(spec, SweepDir(tmp_path), target=2, first=first), 99)
    assert ids == [spec.config(plain(2e-3)).trial_id(0), spec.config(first[0]).trial_id(0)]


def test_a_limit_of_the_policy_alone_holds_nothing_back(tmp_path: Path) -> None:
    spec = replace(limited(), choose=parse_policy("knee where score >= baseline(peft) - 0.1"))
    searcher = StudySearcher(spec, SweepDir(tmp_path), target=4)
    assert all(isinstance(searcher.suggest(name), dict) for name in "abcd")


def test_a_baseline_with_named_members_is_waited_for_and_judged_beside() -> None:
    spec = limited("score >= baseline(peft, quantization: nf4) - 0.1")
    judge, name = LimitJudge(spec), "peft, quantization: nf4"
    assert judge.missing == name
    start = judge.start(name)
    assert start is not None
    assert start.combination == "pretrained lora none nf4 none"
    judge.take(some(spec, 1e-3))
    assert judge.missing == name
    quantized = some(spec, 1e-3, quantized=True)
    judge.take(quantized)
    assert judge.baselines[name].result.config == quantized.config


def test_a_baseline_that_the_space_cannot_give_is_not_waited_for(tmp_path: Path) -> None:
    spec = limited("score >= baseline(dense)")
    pruned = tuple(
        replace(c, template=replace(c.template, pruning=Wanda())) for c in spec.combinations
    )
    assert LimitJudge(replace(spec, combinations=pruned)).missing is None
    assert LimitJudge(spec).missing == "dense"


PROXIES = ("latency_sec <= 1 ms", "peak_memory_bytes <= 1", "latency_sec <= baseline(peft) - 1 s")
"""Limits that no made trial keeps."""


def test_a_limit_on_a_proxy_is_not_told_to_the_study_and_waits_for_no_baseline(
    tmp_path: Path,
) -> None:
    spec = limited(*PROXIES)
    judge = LimitJudge(spec)
    assert judge.missing is None
    assert judge.add(some(spec, 1e-3)) == {}
    searcher = StudySearcher(spec, SweepDir(tmp_path), target=4)
    assert all(isinstance(searcher.suggest(name), dict) for name in "abcd")


def test_a_study_that_was_told_a_limit_on_a_proxy_is_made_anew_without_it(tmp_path: Path) -> None:
    spec, sweep = limited("weight_bytes <= 1"), SweepDir(tmp_path)
    play(StudySearcher(spec, sweep, target=4), 99)
    now = replace(spec, limits=tuple(map(parse_constraint, PROXIES)))
    again = StudySearcher(now, sweep, target=4)
    assert len(finished(again.study)) == 4
    assert all(trial.constraints == {} for trial in finished(again.study))


@pytest.mark.parametrize("name", ["front", "tpe", "nsga2"])
def test_a_limit_on_a_proxy_changes_no_proposal(name: ConcreteName) -> None:
    """`front` models each metric that a limit is on, the others are told the violations."""

    def proposed(*texts: str) -> list[dict[str, object]]:
        search = Search(sampler=name, startup=4, seed=3)
        spec = replace(limited(*texts), search=search)
        study = optuna.create_study(
            directions=["maximize", "minimize"], sampler=study_sampler(spec)
        )
        judge = LimitJudge(spec)
        for _ in range(10):
            trial = study.ask()
            config = spec.config(suggest(trial, spec))
            trial.set_user_attr("seed", 0)
            trial.set_user_attr("trial_id", config.trial_id(0))
            result = fake_result(config, 0)
            tell(study, spec, trial, result, judge.add(result), judge.margins(result))
        return [trial.params for trial in study.trials]

    assert proposed(*PROXIES) == proposed()
