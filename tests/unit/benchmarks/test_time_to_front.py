"""The trials that this project's search saves, and what they take."""

import pytest

from benchmarks.search import table
from benchmarks.time_to_front import Race, Seconds, lines, race, trials_to


def test_the_first_trial_with_the_share_counts() -> None:
    assert trials_to(0.5, (0.1, 0.5, 0.6)) == 2
    assert trials_to(0.7, (0.1, 0.5, 0.6)) is None


def test_the_ratio_is_of_whole_sweeps() -> None:
    races = [Race(20, 0.5, 4), Race(20, 0.6, 5), Race(20, 0.4, None)]
    shown = lines("made", races, Seconds(10, 5, 0), Seconds(10, 2, 0))
    assert "as good after 5 trials (4 to 5; reached in 2 of 3)" in shown[1]
    assert "script 110 s, this project 20 s: 5.5 times as fast" in shown[2]
    assert "fewer trials 4.0, shorter trials 2.5; projected" in shown[2]


def test_a_search_that_mostly_gives_up_has_no_median() -> None:
    races = [Race(20, 0.5, 4), Race(20, 0.6, None)]
    (_, said) = lines("made", races, Seconds(1, 1, 1), Seconds(1, 1, 1))
    assert "reached in 1 of 2: no median" in said


@pytest.mark.parametrize("name", table.NAMES)
def test_a_race_on_a_table_is_the_same_every_time(name: str) -> None:
    problem = table.load(name, None)
    first = race(problem, 1, 6)
    assert first == race(problem, 1, 6)
    assert 0.0 < first.share <= 1.0
    assert first.n_random == 6
