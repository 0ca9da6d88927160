"""The sampler `front` on landscapes in closed form."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import optuna
import pytest
from optuna.study import Study
from optuna.trial import TrialState

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.findings.baseline import baselines_of
from deft_sweeps.findings.front_member import candidates
from deft_sweeps.findings.limit_check import keeps
from deft_sweeps.front import hypervolume
from deft_sweeps.metrics import Direction
from deft_sweeps.objective import parse_constraint
from deft_sweeps.result import CompleteTrial, Rung, StoppedTrial
from deft_sweeps.sampler.front import front_sampler
from deft_sweeps.sampler.front.acquisition import Acquisition
from deft_sweeps.sampler.front.front_sampler import FrontSampler
from deft_sweeps.sampler.study_sampler import study_sampler
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.domain import Categorical
from deft_sweeps.specification.sampler_entry import SamplerName
from deft_sweeps.specification.search_settings import Halving, Search
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.stopping.early_stopping import EarlyStopping
from deft_sweeps.study.limit_judge import LimitJudge
from deft_sweeps.study.optuna_study import POINTS, SEED, TRIAL_ID, ask_at, rows_of, tell
from deft_sweeps.study.parameters import all_points, params, start_of, suggest
from deft_sweeps.study.pending import in_memory
from deft_sweeps.study.sweep_study import SweepStudy
from tests.fakes import fake_point, fake_result, fake_spec
from tests.fakes import plain as plain_start

SAMPLERS: tuple[SamplerName, ...] = ("front", "random")
SCORE_AND_DENSITY: list[Direction] = ["maximize", "minimize"]


def searched(
    spec: SweepSpec,
    n: int,
    each: Callable[[int, Study], None] = lambda _number, _study: None,
    *,
    first: tuple[Start, ...] = (),
) -> list[CompleteTrial]:
    study = optuna.create_study(directions=SCORE_AND_DENSITY)
    study.sampler = study_sampler(spec)
    for start in first:
        study.enqueue_trial(params(spec, start))
    judge, results = LimitJudge(spec), list[CompleteTrial]()
    for number in range(n):
        each(number, study)
        trial = study.ask()
        config = spec.config(suggest(trial, spec))
        trial.set_user_attr(SEED, 0)
        trial.set_user_attr(TRIAL_ID, config.trial_id(0))
        results.append(fake_result(config, 0))
        tell(
            study,
            spec,
            trial,
            results[-1],
            judge.add(results[-1]),
            judge.margins(results[-1]),
        )
    return results


def of(name: SamplerName, seed: int = 0, **changes: object) -> SweepSpec:
    return replace(fake_spec(search=Search(sampler=name, startup=8, seed=seed)), **changes)  # type: ignore[arg-type]


def volume(results: list[CompleteTrial]) -> float:
    points = [
        (point.score.value, point.density.overall) for result in results for point in result.points
    ]
    return hypervolume(points, [0.6, 1.0], SCORE_AND_DENSITY)


def test_a_new_sampler_on_the_same_study_proposes_the_same() -> None:
    spec = of("front")

    def restart(number: int, study: Study) -> None:
        if number in (2, 9):
            study.sampler = study_sampler(spec)

    straight, restarted = searched(spec, 12), searched(spec, 12, restart)
    assert [result.config for result in straight] == [result.config for result in restarted]
    assert [r.config for r in searched(of("front", seed=1), 4)] != [r.config for r in straight[:4]]


@pytest.mark.parametrize("seed", range(2))
def test_it_is_ahead_of_twice_as_many_random_trials(seed: int) -> None:
    assert volume(searched(of("front", seed), 16)) > volume(searched(of("random", seed), 32))


def few_rates(name: SamplerName, n_rates: int) -> SweepSpec:
    """Four combinations with `n_rates` learning rates each."""
    spec = of(name)
    rates = Categorical(tuple(float(rate) for rate in np.geomspace(1e-4, 1e-2, n_rates)))
    plainly = (c for c in spec.combinations if set(c.open) == {"training.learning_rate"})
    return replace(
        spec,
        combinations=tuple(replace(c, open={"training.learning_rate": rates}) for c in plainly),
    )


def test_no_configuration_is_proposed_twice_while_there_is_another() -> None:
    distinct = {
        name: len({r.config_id for r in searched(few_rates(name, 4), 16)}) for name in SAMPLERS
    }
    assert distinct["front"] == 16
    assert distinct["random"] < 16


def test_after_many_trials_some_are_prepared_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proposal comes twice, prepared or not; a new sampler in between asks anew and goes on."""
    monkeypatch.setattr(front_sampler, "TRIALS_PER_PROPOSAL", 5)
    batch_sizes: list[int] = []
    select = Acquisition.select_batch

    def counted(acquisition: Acquisition, n: int) -> list[int]:
        batch_sizes.append(n)
        return select(acquisition, n)

    monkeypatch.setattr(Acquisition, "select_batch", counted)

    def restart(number: int, study: Study) -> None:
        if number == 13:
            study.sampler = study_sampler(spec)

    spec = of("front")
    results = searched(spec, 18, restart)
    assert batch_sizes == [1] * (10 - 3) + [2, 2, 2] + [3]
    assert len({result.config_id for result in results}) == 18


def test_it_aims_at_points_that_keep_the_limits() -> None:
    limit = parse_constraint("score >= baseline(peft) - 0.03")
    spec = of("front", limits=(limit,))

    results = searched(spec, 20, first=(plain_start(1e-3),))
    plain = max(r.point_at(0.0).score.value for r in results if r.config.is_baseline("peft"))
    inside = [any(p.score.value >= plain - 0.03 for p in result.points) for result in results[8:]]
    assert sum(inside) >= 0.7 * len(inside)


def test_its_baseline_is_the_mean_over_seeds() -> None:
    """As on the front: one lucky training makes no limit harder."""
    spec = of("front", limits=(parse_constraint("score >= baseline(peft) - 0.03"),))
    study = optuna.create_study(directions=SCORE_AND_DENSITY)
    study.sampler = sampler = study_sampler(spec)
    assert isinstance(sampler, FrontSampler)
    rates = (1e-3, 1e-3, 1e-3, 1.1e-3, 1.1e-3)
    results = [fake_result(spec.config(plain_start(rate)), seed) for seed, rate in enumerate(rates)]
    for result in results:
        trial = ask_at(study, spec, plain_start(result.config.training.learning_rate))
        trial.set_user_attr(TRIAL_ID, result.trial_id)
        tell(study, spec, trial, result)
    study.ask()
    baseline = baselines_of(results).get("peft")
    wanted = None if baseline is None else baseline.values
    assert wanted is not None
    (_, bound), *_ = sampler._model.goals.goal().bounds
    assert bound == pytest.approx(wanted["score"] - 0.03)
    assert wanted["score"] < max(result.point_at(0.0).score.value for result in results)


@pytest.mark.parametrize("text", ["surely score >= 0.78", "surely score >= baseline(peft) - 0.09"])
def test_surely_asks_for_more_than_the_value(text: str) -> None:
    """The near end of the interval has to keep the limit.

    More of the points do than in a search that looks at the value alone.
    """
    surely = parse_constraint(text)
    shares = []
    for limit in (surely, replace(surely, surely=False)):
        within: list[bool] = []
        for seed in range(2):
            results = searched(of("front", seed, limits=(limit,)), 20, first=(plain_start(1e-3),))
            baselines = baselines_of(results)
            late = {result.config for result in results[8:]}
            within += [
                keeps(member, surely, baselines)
                for member in candidates(results)
                if member.result.config in late
            ]
        shares.append(sum(within) / len(within))
    assert shares[0] > shares[1] + 0.15


def test_trials_under_way_and_those_stopped_early_count() -> None:
    """A running trial is not proposed again; a stopped one's rungs are learnt from, on no front."""
    spec = few_rates("front", 3)
    study = optuna.create_study(directions=SCORE_AND_DENSITY)
    study.sampler = study_sampler(spec)
    for number in range(8):
        trial = study.ask()
        config = spec.config(suggest(trial, spec))
        if number % 2:
            points = tuple(
                fake_point(config, 0, threshold, 1 / 3) for threshold in spec.evaluation.thresholds
            )
            rung = Rung(step=round(config.training.steps / 3), points=points)
            tell(
                study,
                spec,
                trial,
                StoppedTrial(config=config, seed=0, rungs=(rung,)),
            )
        else:
            tell(study, spec, trial, fake_result(config, 0))
    ended = {
        spec.config(start_of(spec, trial.params)).config_id
        for trial in study.get_trials(states=(TrialState.COMPLETE,))
    }
    assert len(ended) == 4
    under_way = [spec.config(suggest(study.ask(), spec)).config_id for _ in range(8)]
    assert set(under_way) == {spec.config(start).config_id for start in all_points(spec)} - ended
    sampler = study.sampler
    assert isinstance(sampler, FrontSampler)
    assert (sampler._model.n_ended, sampler._model.n_finished) == (8, 4)
    assert {
        spec.config(start).config_id for start in sampler._model.front_configurations()
    } <= ended


def rung_of(config: TrialConfig, spec: SweepSpec, worse: float = 0.0) -> Rung:
    """At a third of the steps, the score lowered by `worse`."""
    points = (fake_point(config, 0, threshold, 1 / 3) for threshold in spec.evaluation.thresholds)
    lower = tuple(
        replace(point, score=replace(point.score, value=point.score.value - worse))
        for point in points
    )
    return Rung(step=round(config.training.steps / 3), points=lower)


def trained_with_rungs(spec: SweepSpec, n: int) -> Study:
    study = optuna.create_study(directions=SCORE_AND_DENSITY)
    study.sampler = study_sampler(spec)
    for _ in range(n):
        trial = study.ask()
        config = spec.config(suggest(trial, spec))
        trial.set_user_attr(TRIAL_ID, config.trial_id(0))
        tell(study, spec, trial, replace(fake_result(config, 0), rungs=(rung_of(config, spec),)))
    return study


@pytest.mark.parametrize("n", [2, 10])
def test_a_trial_behind_its_peers_goes_on_until_there_is_a_model_and_while_its_rest_is_worth_it(
    n: int,
) -> None:
    spec = replace(of("front"), stopping=Halving())
    study = trained_with_rungs(spec, n)
    sampler = study.sampler
    assert isinstance(sampler, FrontSampler)
    verdicts = []
    for worse in (0.0, 0.3):
        trial = study.ask()
        config = spec.config(suggest(trial, spec))
        rung = rung_of(config, spec, worse)
        trial.set_user_attr(
            POINTS,
            rows_of(spec, StoppedTrial(config=config, seed=0, rungs=(rung,))),
        )
        verdicts.append(sampler.is_worth_finishing(study, trial.number, rung.step))
        assert sampler.is_worth_finishing(study, trial.number, rung.step) == verdicts[-1]
        study.tell(trial, state=TrialState.FAIL)
    assert verdicts == ([True, True] if n == 2 else [True, False])


def test_a_configuration_that_was_stopped_and_is_proposed_again_runs_to_its_end() -> None:
    spec = replace(of("front"), stopping=Halving())
    study = trained_with_rungs(spec, 10)
    sampler = study.sampler
    assert isinstance(sampler, FrontSampler)
    trial = study.ask()
    start = suggest(trial, spec)
    config = spec.config(start)
    verdicts = []
    for seed in (0, 1):
        trial = ask_at(study, spec, start) if seed else trial
        rung = rung_of(config, spec, worse=0.3)
        stopped = StoppedTrial(config=config, seed=seed, rungs=(rung,))
        trial.set_user_attr(TRIAL_ID, config.trial_id(seed))
        trial.set_user_attr(POINTS, rows_of(spec, stopped))
        verdicts.append(sampler.is_worth_finishing(study, trial.number, rung.step))
        tell(study, spec, trial, stopped)
    assert verdicts == [False, True]


def test_a_verdict_stands_whatever_is_learnt_after_it() -> None:
    spec = replace(of("front"), stopping=Halving())
    study, pending = SweepStudy(spec, study_sampler(spec)), in_memory()
    early = EarlyStopping(spec, study, pending, (), pytest.fail)
    for n in range(11):
        number, start = study.ask()
        config = spec.config(start)
        proposal = study.begin(number, start, 0, "sampler")
        if n < 10:
            result = replace(fake_result(config, 0), rungs=(rung_of(config, spec),))
            study.tell(number, result)
    pending.add(proposal)
    verdict = early.may_continue(number, rung_of(config, spec))
    study.optuna.sampler = optuna.samplers.RandomSampler()
    assert early.may_continue(number, rung_of(config, spec)) == verdict


def test_of_a_finite_space_what_was_stopped_may_come_again_and_what_ended_not() -> None:
    fake = of("front")
    plain = next(c for c in fake.combinations if set(c.open) == {"training.learning_rate"})
    choices = Categorical((1e-4, 5e-4, 2e-3, 1e-2))
    spec = replace(fake, combinations=(replace(plain, open={"training.learning_rate": choices}),))
    study = optuna.create_study(directions=SCORE_AND_DENSITY)
    study.sampler = study_sampler(spec)
    rates = []
    for number in range(4):
        trial = study.ask()
        config = spec.config(suggest(trial, spec))
        rates.append(config.training.learning_rate)
        trial.set_user_attr(TRIAL_ID, config.trial_id(0))
        stopped = StoppedTrial(config=config, seed=0, rungs=(rung_of(config, spec),))
        tell(study, spec, trial, stopped if number == 3 else fake_result(config, 0))
    assert len(set(rates)) == 4
    assert spec.config(suggest(study.ask(), spec)).training.learning_rate == rates[3]
