"""The yardstick that knows the truth's model, on the packed tables."""

from typing import cast

import numpy as np
import pytest

from benchmarks.search.arms import make_arm
from benchmarks.search.closed_form import make
from benchmarks.search.informed import VAGUE, InformedArm
from benchmarks.search.problem import objective_values
from benchmarks.search.simulate import simulate
from benchmarks.search.table import Table, load, log_curve


@pytest.fixture(scope="module")
def minilm() -> Table:
    return load("minilm_sst2")


def informed(table: Table) -> InformedArm:
    return cast(InformedArm, make_arm("informed", table, 0))


def test_what_it_believes_is_the_normal_distribution_given_what_it_saw(minilm: Table) -> None:
    arm, trained = informed(minilm), [3, 17, 30]
    last = minilm.rungs[-1]
    observed = np.array([log_curve(minilm.curve(minilm.configs[i], 0, last)) for i in trained])
    mean, deviation = arm.posterior(trained, observed)
    assert minilm.noise is not None
    at, noise = (2, 0), minilm.noise[-1, 2, 0]
    centre = np.mean([minilm.means[config.config_id][-1][at] for config in minilm.configs])
    covariance = minilm.effects[at] + VAGUE * np.trace(minilm.effects[at]) / len(minilm.configs)
    inverse = np.linalg.inv(covariance[np.ix_(trained, trained)] + noise * np.eye(3))
    for i in (0, 3, 40):
        cross = covariance[i, trained]
        assert mean[i, *at] == pytest.approx(
            centre + cross @ inverse @ (observed[:, *at] - centre), abs=1e-6
        )
        assert deviation[i, *at] ** 2 == pytest.approx(
            covariance[i, i] - cross @ inverse @ cross, abs=1e-8
        )


def test_its_scale_is_that_of_the_tables_objectives(minilm: Table) -> None:
    for table in (minilm, load("flan_t5_small_reviews")):
        arm, config = informed(table), table.configs[5]
        values = objective_values(table.spec.objectives, table.curve(config, 0, table.rungs[-1]))
        scaled = arm._scaled(log_curve(table.curve(config, 0, table.rungs[-1])))
        assert scaled == pytest.approx((values * [1.0, -1.0] - arm._reference) / arm._spread)


def test_it_trains_every_configuration_once(minilm: Table) -> None:
    ended = simulate(minilm, informed(minilm), workers=4)
    assert sorted(one.proposal.config.config_id for one in ended) == sorted(
        config.config_id for config in minilm.configs
    )


def test_a_closed_form_has_no_such_yardstick() -> None:
    with pytest.raises(ValueError, match="informed is for tables, got bent"):
        make_arm("informed", make("bent"), 0)
