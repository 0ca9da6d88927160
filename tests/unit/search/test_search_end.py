from dataclasses import replace

import pytest

from deft_sweeps.objective import parse_constraint
from deft_sweeps.result import TrialResult
from deft_sweeps.search.search_end import Flatness, Spent, trial_sec, used_up
from deft_sweeps.specification.search_settings import Budget
from tests.fakes import fake_spec
from tests.samples import point, result


def test_trials_under_way_count_with_the_time_they_have_taken() -> None:
    done: list[TrialResult] = [
        replace(result(point()), started_at=10.0, finished_at=25.0),
        replace(result(), started_at=0.0, finished_at=5.0),
    ]
    assert trial_sec(done, (90.0, 100.5), now=100.0) == 15 + 5 + 10


@pytest.mark.parametrize(
    ("budget", "reason"),
    [
        (Budget(trials=1, hours=2.0), "the hours of wall time are used up: 2 of 2"),
        (
            Budget(trials=1, gpu_hours=1.5, gpus_per_trial=0.5),
            "the GPU hours are used up: 1.5 of 1.5",
        ),
        (Budget(trials=1, cpu_hours=10, cpus_per_trial=4), "the CPU hours are used up: 12 of 10"),
        (
            Budget(
                trials=1,
                hours=2.1,
                gpu_hours=1.6,
                gpus_per_trial=0.5,
                cpu_hours=12.1,
                cpus_per_trial=4,
            ),
            "",
        ),
        (Budget(trials=1), ""),
    ],
)
def test_a_budget_is_used_up_when_a_limit_is_reached(budget: Budget, reason: str) -> None:
    assert used_up(budget, Spent(wall_sec=7200, trial_sec=3 * 3600)) == reason


def test_a_search_without_gains_is_flat_and_one_with_gains_is_not() -> None:
    spec = fake_spec()
    spec = replace(
        spec, budget=replace(spec.budget, until_flat=0.01), search=replace(spec.search, startup=5)
    )
    still = [
        result(point(0.0, 0.8, 0.5), learning_rate=1e-4 * (i + 1), finished_at=i) for i in range(60)
    ]
    rising = [
        result(point(0.0, 0.5 + 0.004 * i, 0.5), learning_rate=1e-4 * (i + 1), finished_at=i)
        for i in range(60)
    ]
    assert Flatness(spec)(still[:34]) == "", "too few to say"
    assert Flatness(spec)(still).startswith("the front is flat")
    assert Flatness(replace(spec, budget=Budget(trials=9)))(still) == ""
    mixed = replace(spec, budget=replace(spec.budget, until_flat=0.005))
    assert Flatness(mixed)(rising) == ""


def test_a_limit_on_a_proxy_keeps_no_search_going() -> None:
    """No point keeps it, so under it the volume would stay at nothing and say nothing."""
    spec = fake_spec()
    budget, search = replace(spec.budget, until_flat=0.01), replace(spec.search, startup=5)
    spec = replace(
        spec, budget=budget, search=search, limits=(parse_constraint("latency_sec <= 1 ms"),)
    )
    rates = (1e-4 * (i + 1) for i in range(60))
    still = [result(point(0.0, 0.8, 0.5), learning_rate=rate) for rate in rates]
    assert Flatness(spec)(still).startswith("the front is flat")
