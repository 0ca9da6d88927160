"""Growth of a trial's time: the cases and the table."""

from benchmarks.growth import CASES, evaluation, lines


def test_each_case_is_another_trial() -> None:
    assert len({(trial.config_id, n) for trial, n in CASES.values()}) == len(CASES)
    for _, n_thresholds in CASES.values():
        assert len(evaluation(n_thresholds).thresholds) == n_thresholds


def test_the_table_shows_medians() -> None:
    assert lines({"a": [(0.1, 1.0), (0.2, 4.0), (0.3, 2.0)]})[2] == "| a | 0.200 | 2.00 |"
