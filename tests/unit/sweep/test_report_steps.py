import pytest

from deft_sweeps.specification.search_settings import Halving, NoStopping
from deft_sweeps.sweep.report_steps import next_report, report_interval, rungs_before_end


@pytest.mark.parametrize(("steps", "interval"), [(1, 1), (5, 1), (100, 10), (101, 11), (5000, 200)])
def test_a_trial_reports_about_ten_times(steps: int, interval: int) -> None:
    assert report_interval(steps) == interval


def test_a_rung_ends_an_interval_early_and_the_end_is_none() -> None:
    rungs = rungs_before_end(Halving(eta=3, rungs=3), 100)
    assert rungs == (11, 33)
    assert rungs_before_end(NoStopping(), 100) == ()
    reports = [0]
    while reports[-1] < 40:
        reports.append(next_report(reports[-1], 100, rungs))
    assert reports == [0, 10, 11, 21, 31, 33, 43]
