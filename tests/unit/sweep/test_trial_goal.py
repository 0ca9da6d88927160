"""`--more` and `--resume` in every state that a driver can be cut off in; the budget is 200 trials,
and hours ended it at 50.
"""

import pytest

from deft_sweeps.search.search_end import Spent
from deft_sweeps.store.driver_note import DriverNote
from deft_sweeps.sweep.trial_goal import TrialGoal, next_goal

HOUR = 3600.0


def note(
    state: str, n_budget: int, ended: int | None = None, since: tuple[float, float] | None = None
) -> DriverNote:
    return DriverNote(1, 0.0, 1.0, n_budget, (), state, None, HOUR, ended=ended, since=since)


def goal_of(n_known: int, last: DriverNote | None, more: int = 0, n_extra: int = 0) -> TrialGoal:
    return next_goal(200, n_known, last, more=more, n_extra=n_extra, trial_sec=7.0)


def test_an_empty_folder_is_to_reach_the_budget() -> None:
    assert goal_of(0, None) == TrialGoal(200)


@pytest.mark.parametrize("state", ["finished", "measuring", "interrupted", "failed", "searching"])
def test_more_of_a_search_that_ended_is_only_that_much_more_however_its_end_was_cut_off(
    state: str,
) -> None:
    assert goal_of(50, note(state, 200, ended=50), more=10) == TrialGoal(60, None, Spent(HOUR, 7.0))


def test_more_of_a_search_that_is_under_way_comes_on_top_of_its_budget() -> None:
    assert goal_of(50, note("interrupted", 200), more=10).target == 210


def test_an_interrupted_more_goes_on_to_what_it_was_given() -> None:
    last = note("interrupted", 60, since=(1800.0, 5.0))
    assert goal_of(53, last) == TrialGoal(60, None, Spent(1800.0, 5.0))
    assert goal_of(53, last, more=10).target == 70


def test_points_besides_do_not_take_the_search_up_again_and_are_not_lost_when_cut_off() -> None:
    assert goal_of(50, note("finished", 200, ended=50), n_extra=6) == TrialGoal(56, 56)
    cut_off = note("interrupted", 56, ended=56)
    assert goal_of(52, cut_off, more=10).target == 66
    assert goal_of(52, cut_off).ended == 56


def test_a_search_that_went_on_past_its_end_is_under_way() -> None:
    assert goal_of(120, note("interrupted", 200, ended=50), more=10).target == 210


def test_a_note_of_an_older_version_that_says_finished_is_of_a_search_that_ended() -> None:
    assert goal_of(50, note("finished", 200), more=10).target == 60
