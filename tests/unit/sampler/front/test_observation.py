"""Trainings as they are read from a study."""

import math
from dataclasses import replace

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from deft_sweeps.metrics import measured
from deft_sweeps.result import Rung, StoppedTrial
from deft_sweeps.sampler.front.observation import ObservationReader, point_names
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.study.optuna_study import MARGINS, PRIOR, TRIAL_ID, rows_of
from deft_sweeps.study.parameters import distributions, params
from tests.fakes import THRESHOLDS, fake_point, fake_result, fake_spec, plain


@pytest.fixture
def spec() -> SweepSpec:
    return fake_spec()


def ended(spec: SweepSpec, **attributes: object) -> FrozenTrial:
    values, every = params(spec, plain(1e-3)), distributions(spec)
    return create_trial(
        state=TrialState.FAIL,
        params=values,
        distributions={name: every[name] for name in values},
        user_attrs=attributes,
    )


def test_rungs_and_ends_are_read_in_the_order_of_steps(spec: SweepSpec) -> None:
    config = spec.config(plain(1e-3))
    step = round(config.training.steps / 4)
    rung = Rung(
        step=step, points=tuple(fake_point(config, 0, threshold) for threshold in THRESHOLDS)
    )
    result = replace(fake_result(config, 0), rungs=(rung,))
    trial = ended(spec, points=rows_of(spec, result), margins={"a limit": 0.1})
    training = ObservationReader(spec).read(trial)
    assert training is not None
    assert training.configuration == plain(1e-3)
    shares = [point.step_share for point in training.observations]
    assert shares == [step / config.training.steps] * len(THRESHOLDS) + [1.0] * len(THRESHOLDS)
    assert [point.threshold_index for point in training.final] == list(range(len(THRESHOLDS)))
    assert training.latest == training.final
    first = measured(result.points[0], result.cost)
    assert training.final[0].values == (first["score"], first["activation_density"])
    assert training.margins == {"a limit": 0.1}
    assert training.is_own


def test_a_stopped_training_has_no_final_observation(spec: SweepSpec) -> None:
    config = spec.config(plain(1e-3))
    rungs = tuple(
        Rung(step=step, points=(fake_point(config, 0, THRESHOLDS[0]),)) for step in (1, 2)
    )
    stopped = StoppedTrial(config=config, seed=0, rungs=rungs)
    training = ObservationReader(spec).read(ended(spec, points=rows_of(spec, stopped)))
    assert training is not None
    assert training.final == ()
    assert training.step_share == 2 / config.training.steps
    assert training.latest == training.observations[1:]


def test_unmeasured_metrics_are_nan_and_unknown_points_are_skipped(spec: SweepSpec) -> None:
    steps = spec.config(plain(1e-3)).training.steps
    name = point_names(spec)[0]
    trial = ended(spec, points=[[steps, name, None, 0.5], [steps, "p12.5", 0.5, 0.5]])
    training = ObservationReader(spec).read(trial)
    assert training is not None
    (point,) = training.observations
    assert math.isnan(point.values[0])
    assert point.values[1] == 0.5


def test_a_trial_of_another_space_is_not_read(spec: SweepSpec) -> None:
    study = optuna.create_study()
    study.ask().suggest_float("another", 0, 1)
    assert ObservationReader(spec).read(study.trials[0]) is None


def test_a_trial_of_an_earlier_sweep_is_not_its_own(spec: SweepSpec) -> None:
    reader = ObservationReader(spec)
    earlier = reader.read(ended(spec, **{PRIOR: "earlier"}))
    own = reader.read(ended(spec, **{TRIAL_ID: "own", MARGINS: {}}))
    assert earlier is not None
    assert own is not None
    assert (earlier.is_own, own.is_own) == (False, True)
    assert own.step_share == 0.0
