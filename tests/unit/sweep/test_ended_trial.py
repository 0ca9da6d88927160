"""Of a trial that has ended Tune's record holds neither settings nor result."""

from typing import Any

from ray.tune.experiment import Trial

from deft_sweeps.config.trial import TrialConfig, codec
from deft_sweeps.search.trial_report import RESULT, report
from deft_sweeps.sweep.ended_trial import release
from tests.fakes import fake_result, fake_spec, plain


def test_a_released_trial_holds_no_result_and_still_counts_as_one_that_reported() -> None:
    config = fake_spec().config(plain(1e-3))
    settings = {"config": codec(TrialConfig).dump_json(config).decode(), "seed": 0}
    trial: Any = Trial("trainable", config=settings, stub=True, _setup_default_resource=False)
    reported = report(20, (), fake_result(config, 0))
    trial.update_last_result(reported | {"config": settings, "training_iteration": 10})
    before = sum(map(len, trial.get_json_state()))
    model = config.model
    assert model in "".join(trial.get_json_state())

    release(trial)

    assert trial.has_reported_at_least_once
    assert RESULT not in trial.last_result
    after = trial.get_json_state()
    assert model not in "".join(after)
    assert sum(map(len, after)) < before - len(reported[RESULT])
